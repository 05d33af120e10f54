"""Training that begins with the weights of a model that there is already."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from engine.errors import InputError
from engine.nets.downscaler import Downscaler
from engine.nets.flow import FlowGenerator
from engine.nets.generator import NoiseInjection
from engine.nets.interface import GeneratorNetwork
from engine.nets.spec import NetworkSpec
from engine.package.folder import Package, find_package
from engine.specs import BaseSpec, SourceSpec, TargetSpec
from training.schema.config import Config


def statistics_of(
    id_or_folder: str, target: TargetSpec, sources: tuple[SourceSpec, ...]
) -> tuple[TargetSpec, tuple[SourceSpec, ...]]:
    """Return target and sources with a package's means and deviations, which its weights expect.

    Raises:
        InputError: the package is of another target or has other sources.
        PackageError: the package is damaged.
    """
    card = find_package(id_or_folder).card
    for key in ("name", "units", "transform", "scale"):
        if getattr(target, key) != getattr(card.target, key):
            raise InputError(f"start_from: the target's {key} is not what {id_or_folder} was trained with.")
    own, theirs = ([(s.name, s.derived, s.classes) for s in held] for held in (sources, card.sources))
    if own != theirs:
        raise InputError(f"start_from: the sources are not those that {id_or_folder} was trained with.")
    pairs = zip(sources, card.sources, strict=True)
    taken = tuple(replace(s, normalisation=other.normalisation) for s, other in pairs)
    return replace(target, mean=card.target.mean, std=card.target.std), taken


def base_of(config: Config) -> BaseSpec | None:
    """Return the base of the package that training begins with, None where there is none or another is named.

    A package whose card names none has the best that the sources allow: its weights expect it.
    The share of the residual that counts is measured anew, but for a flow, which learns what the package's
    one estimate leaves over; and a regression is fitted anew.
    """
    if config.start_from is None or config.base not in ("auto", "default"):
        return None
    base = find_package(config.start_from).card.base or BaseSpec()
    flows = config.ensemble is not None and config.ensemble.generator == "flow"
    return base if flows else replace(base, residual=1.0)


def start_from(model: Downscaler, id_or_folder: str) -> None:
    """Give a new model a package's weights; noise weights that the package lacks stay as they are.

    Raises:
        InputError: the package's network differs in more than the noise.
        PackageError: the package is damaged.
    """
    package, own = find_package(id_or_folder), model.generator.spec
    theirs = NetworkSpec.from_json(dict(package.card.network))
    if isinstance(model.generator, FlowGenerator):
        _estimate_from(model.generator.estimate, theirs, package)
        return
    alike = replace(theirs, noise=own.noise, noise_gain=own.noise_gain) == own
    if not alike or theirs.noise not in (0, own.noise):
        raise InputError(
            f"start_from: the network of {id_or_folder} is another one than the configuration's."
        )
    missing, unknown = model.generator.load_state_dict(package.weights(), strict=False)
    if unknown or any(not is_noise(name) for name in missing):
        raise InputError(f"start_from: the weights of {id_or_folder} do not fit the network.")


def _estimate_from(estimate: GeneratorNetwork, theirs: NetworkSpec, package: Package) -> None:
    """Give the one estimate beside a flow a package's weights, without what it knows of noise or a flow."""
    alone = replace(theirs, noise=0, noise_gain=estimate.spec.noise_gain, flow=None)
    if alone != estimate.spec:
        raise InputError(
            f"start_from: the network of {package.card.id} is another one than the configuration's."
        )
    weights = package.weights()
    if theirs.flow is not None:
        weights = {n.removeprefix("estimate."): w for n, w in weights.items() if n.startswith("estimate.")}
    known = {name: value for name, value in weights.items() if not is_noise(name)}
    try:
        estimate.load_state_dict(known)
    except RuntimeError as error:
        raise InputError(f"start_from: the weights of {package.card.id} do not fit the network.") from error


def is_noise(name: str) -> bool:
    """Return whether a weight of that name belongs to the noise input."""
    return "noise" in name.split(".")


def noise_alone(generator: nn.Module) -> None:
    """Let only the noise input, or a flow, learn, from its start: the estimate without noise stays as it is.

    What the package knew of noise is forgotten, so that a model may start from its own package, and
    training it again gives the same.
    """
    if isinstance(generator, FlowGenerator):
        generator.estimate.requires_grad_(False)
        return
    for name, parameter in generator.named_parameters():
        parameter.requires_grad_(is_noise(name))
    for module in generator.modules():
        if isinstance(module, NoiseInjection):
            module.reset()
