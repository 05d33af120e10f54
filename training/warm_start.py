"""Training that begins with the weights of a model that there is already."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from engine.card import SourceSpec
from engine.errors import InputError
from engine.nets.downscaler import Downscaler
from engine.nets.generator import NetworkSpec, NoiseInjection
from engine.package import find_package


def start_from(model: Downscaler, sources: tuple[SourceSpec, ...], id_or_folder: str) -> None:
    """Give a new model a package's weights; noise weights that the package lacks stay as they are.

    Raises:
        InputError: the package's sources or network differ in more than the noise.
        PackageError: the package is damaged.
    """
    package = find_package(id_or_folder)
    card, own = package.card, model.generator.spec
    theirs = NetworkSpec.from_json(dict(card.network))
    if replace(theirs, noise=own.noise) != own or theirs.noise not in (0, own.noise):
        raise InputError(
            f"start_from: the network of {id_or_folder} is another one than the configuration's."
        )
    for one, other in zip(sources, card.sources, strict=True):
        if (one.name, one.derived, one.classes) != (other.name, other.derived, other.classes):
            raise InputError(
                f"start_from: the source {one.name} is not what {id_or_folder} was trained with."
            )
    missing, unknown = model.generator.load_state_dict(package.weights(), strict=False)
    if unknown or any(not is_noise(name) for name in missing):
        raise InputError(f"start_from: the weights of {id_or_folder} do not fit the network.")


def is_noise(name: str) -> bool:
    """Return whether a weight of that name belongs to the noise input."""
    return "noise" in name.split(".")


def noise_alone(generator: nn.Module) -> None:
    """Let only the noise input learn, from its start: the estimate without noise stays as it is.

    What the package knew of noise is forgotten, so that a model may start from its own package, and
    training it again gives the same.
    """
    for name, parameter in generator.named_parameters():
        parameter.requires_grad_(is_noise(name))
    for module in generator.modules():
        if isinstance(module, NoiseInjection):
            module.reset()
