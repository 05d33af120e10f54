"""The generators that a card can name, by their kind. A new one is a file and a line here."""

from __future__ import annotations

from dataclasses import replace

from engine.errors import InputError
from engine.nets.encodedgan import EncodedGenerator
from engine.nets.flow import FlowGenerator
from engine.nets.generator import Generator
from engine.nets.interface import GeneratorNetwork
from engine.nets.perceptron import Perceptron
from engine.nets.pointwise import Pointwise
from engine.nets.spec import NetworkSpec
from engine.nets.unet import UNet

ARCHITECTURES: dict[str, type[GeneratorNetwork]] = {
    "inception": Generator,
    "unet": UNet,
    "encodedgan": EncodedGenerator,
    "pointwise": Pointwise,
    "perceptron": Perceptron,
}


def build_generator(spec: NetworkSpec) -> GeneratorNetwork:
    """Return the untrained generator that a specification describes.

    Raises:
        InputError: there is no architecture of that kind.
    """
    if spec.kind not in ARCHITECTURES:
        kinds = ", ".join(sorted(ARCHITECTURES))
        raise InputError(f"network.kind: there is no architecture {spec.kind}; there are {kinds}.")
    if spec.flow is not None:
        return FlowGenerator(spec, build_generator(replace(spec, noise=0, flow=None)))
    return ARCHITECTURES[spec.kind](spec)
