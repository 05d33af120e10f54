"""Loads a model package: the network built, its weights checked, its fastest precision found."""

from __future__ import annotations

from typing import Any

import torch

from engine.compute.devices import PrecisionPlan, choose_plan
from engine.errors import InputError, PackageError
from engine.features.network_inputs import NetworkInputs
from engine.models.cascade import CascadeMethod
from engine.models.model import ModelMethod, build
from engine.models.regression_file import read_regression
from engine.package.folder import Package, check_weights

_SAMPLE = 64  # coarse cells, at most, along the window that is measured: small ones mislead
_SAMPLE_FINE = 512  # fine cells, about


def load_model(
    package: Package, device: torch.device, plan: PrecisionPlan | None = None, precision: str = "auto"
) -> ModelMethod | CascadeMethod:
    """Load a package onto a device; a cascade where the card says so.

    Args:
        package: checked on loading.
        device: where it runs.
        plan: precision and layout; None: the fastest, measured or remembered.
        precision: "auto", "float32" or "bfloat16", for the measurement.

    Raises:
        PackageError: the card's network is malformed, or the weights do not fit it.
        InputError: the device cannot run in the precision asked for.
    """
    card, weights, regression = package.card, package.weights(), read_regression(package)
    try:
        module = build(card.one_step(0) if card.cascade else card, regression)
    except InputError as error:
        raise PackageError(f"{package.folder}: {error}") from error
    expected = {name: tuple(x.shape) for name, x in module.generator.state_dict().items()}
    check_weights(package, weights, expected)
    if card.cascade:
        cascade = CascadeMethod(card, weights, device, plan or PrecisionPlan())
        if plan is None:
            cascade.use(measured_plan(cascade.parts[-1], precision))
        return cascade
    method = ModelMethod(card, weights, device, plan or PrecisionPlan(), regression)
    if plan is None:
        method.use(measured_plan(method, precision))
    return method


def sample_edge(method: ModelMethod) -> int:
    """Return the coarse cells along the window on which a method's generator is measured, halo included."""
    return max(1, min(_SAMPLE, _SAMPLE_FINE // method.factor)) + 2 * method.module.generator.halo


def measured_plan(method: ModelMethod, precision: str = "auto") -> PrecisionPlan:
    """Return the fastest plan for a method's generator on its device.

    Raises:
        InputError: the device cannot run in the precision asked for.
    """
    generator, k = method.module.generator, method.factor
    edge = sample_edge(method)

    def example(dtype: torch.dtype, memory_format: torch.memory_format) -> None:
        method.use(PrecisionPlan(dtype, memory_format == torch.channels_last))
        like: dict[str, Any] = {"device": method.device}
        inputs = NetworkInputs(
            {n: torch.ones(1, c, edge, edge, **like) for n, c in generator.spec.coarse.items()},
            {n: torch.ones(1, c, edge * k, edge * k, **like) for n, c in generator.spec.fine.items()},
            torch.ones(1, 2, **like) if generator.spec.season else None,
            torch.zeros(1, **like),
        )
        with torch.inference_mode():
            ready = method.planned(inputs)
            generator(ready.coarse, ready.fine, ready.vector)

    return choose_plan(generator, example, method.device, precision)
