"""The generators that a card can name, by their kind."""

from __future__ import annotations

from torch import nn

from engine.errors import InputError
from engine.nets.encodedgan import ELEVATION, WIDTHS, EncodedGenerator
from engine.nets.generator import Generator
from engine.nets.pointwise import Pointwise
from engine.nets.spec import NetworkSpec
from engine.nets.unet import UNet

ARCHITECTURES: dict[str, type[nn.Module]] = {
    "inception": Generator,
    "unet": UNet,
    "encodedgan": EncodedGenerator,
    "pointwise": Pointwise,
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


def widest(generator: nn.Module) -> float:
    """Return the channels of a generator's widest map, counted for each fine cell."""
    spec: NetworkSpec = generator.spec
    if isinstance(generator, EncodedGenerator):
        return float(WIDTHS[-1] + ELEVATION[-1])
    width = max(w * (s / spec.factor) ** 2 for w, s in zip(spec.widths, spec.scales, strict=True))
    if isinstance(generator, UNet):  # sources and what is joined on the way up stay at hand
        width += sum(spec.coarse.values()) + sum(spec.fine.values())
    return width
