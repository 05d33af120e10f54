"""The generators that a card can name, by their kind."""

from __future__ import annotations

from torch import nn

from engine.errors import InputError
from engine.nets.encodedgan import EncodedGenerator
from engine.nets.generator import Generator, NetworkSpec
from engine.nets.unet import UNet

ARCHITECTURES: dict[str, type[nn.Module]] = {
    "inception": Generator,
    "unet": UNet,
    "encodedgan": EncodedGenerator,
}


def build_generator(spec: NetworkSpec) -> nn.Module:
    """Return the untrained generator that a specification describes.

    It has `spec`, `halo` (coarse cells), `whole_field` (it returns the field and not a residual on the
    base) and `forward(coarse, fine, vector, noise)`, see `Generator`.

    Raises:
        InputError: there is no architecture of that kind.
    """
    if spec.kind not in ARCHITECTURES:
        kinds = ", ".join(sorted(ARCHITECTURES))
        raise InputError(f"network.kind: there is no architecture {spec.kind}; there are {kinds}.")
    return ARCHITECTURES[spec.kind](spec)
