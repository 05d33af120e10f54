"""Loads a model package: the network built, its weights checked, its fastest precision found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from engine.compute.devices import PrecisionPlan, choose_plan, lay_out
from engine.errors import InputError, PackageError
from engine.models.cascade import CascadeMethod
from engine.models.model import ModelMethod, build
from engine.models.regression_file import read_regression
from engine.package.folder import Package, check_weights

_SAMPLE = 64  # coarse cells, at most, along the window that is measured: small ones mislead
_SAMPLE_FINE = 512  # fine cells, about
_PLAN_SHARE = 0.5  # of that edge, to tell precisions and layouts apart on a processor within a second


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


def sample_edge(method: ModelMethod, share: float = 1) -> int:
    """Return the coarse cells along the window on which a method's generator is measured, halo included.

    Args:
        method: whose.
        share: of the window, halo left out, that is enough.
    """
    inner = share * min(_SAMPLE, _SAMPLE_FINE // method.factor)
    return max(1, round(inner)) + 2 * method.module.generator.halo


def measured_plan(method: ModelMethod, precision: str = "auto") -> PrecisionPlan:
    """Return the fastest plan for a method's generator on its device.

    Raises:
        InputError: the device cannot run in the precision asked for.
    """
    device = method.device
    edge = sample_edge(method, _PLAN_SHARE if device.type == "cpu" else 1)
    ready: dict[PrecisionPlan, Callable[[], Tensor]] = {}  # laid out once each

    def example(dtype: torch.dtype, memory_format: torch.memory_format) -> None:
        plan = PrecisionPlan(dtype, memory_format == torch.channels_last)
        if plan not in ready:
            ready[plan] = _pass(method, plan, edge)
        with torch.inference_mode():
            ready[plan]()

    return choose_plan(method.module.generator, example, device, precision)


def _pass(method: ModelMethod, plan: PrecisionPlan, edge: int) -> Callable[[], Tensor]:
    """Return a pass of all sources through another generator alike, in a plan's precision and layout."""
    generator, k = method.fresh_generator(), method.factor
    lay_out(generator, method.device, plan)

    def sources(channels: Mapping[str, int], size: int) -> dict[str, Tensor]:
        made = {name: torch.ones(1, count, size, size) for name, count in channels.items()}
        return {
            name: x.to(method.device, plan.dtype, memory_format=plan.memory_format)
            for name, x in made.items()
        }

    spec = generator.spec
    vector = torch.ones(1, 2, device=method.device) if spec.season else None
    return partial(generator, sources(spec.coarse, edge), sources(spec.fine, edge * k), vector)
