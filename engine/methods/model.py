"""A trained model as a method of the pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.card import Card
from engine.devices import Plan, choose_plan
from engine.errors import InputError, PackageError
from engine.features import Inputs
from engine.methods.interface import check_sources
from engine.nets.architectures import widest
from engine.nets.downscaler import Downscaler
from engine.nets.generator import NetworkSpec
from engine.package import Package, check_weights
from engine.patch import Patch

if TYPE_CHECKING:
    from engine.methods.cascade import CascadeMethod

_SAMPLE = 64  # coarse cells, at most, along the window that is measured: small ones mislead
_SAMPLE_FINE = 512  # fine cells, about


class ModelMethod:
    """A model package at work; see `engine.methods.Method`.

    The generator runs in the plan's precision and layout; base, residual's sum, inverse transform
    and bounds are float32.

    Args:
        card: of the package.
        weights: of the generator, by the names in its state.
        device: where it runs.
        plan: precision and layout.

    Raises:
        InputError: the card's network does not fit its sources.
    """

    def __init__(self, card: Card, weights: Mapping[str, Tensor], device: torch.device, plan: Plan) -> None:
        self.card, self.device = card, torch.device(device)
        self.id, self.title, self.factor = card.id, card.name, card.factor
        self.target, self.sources = card.target, card.sources
        self.module = build(card).eval().requires_grad_(False)
        self._weights = dict(weights)
        self.halo = self.module.halo
        self.use(plan)

    def use(self, plan: Plan) -> None:
        """Run in another precision and layout from now on."""
        self.plan = plan
        self.module.generator.to(self.device, plan.dtype, memory_format=plan.memory_format)
        self.module.generator.load_state_dict(self._weights)  # whole again after a coarser precision

    def check(self, given: set[str]) -> None:
        """Refuse to run without a required source; see `Method.check`."""
        check_sources(self.sources, given, self.title)

    @property
    def ensemble(self) -> bool:
        """Whether there are members to draw, beside the one estimate."""
        return self.module.ensemble

    def predict(self, patch: Patch) -> Tensor:
        """Return the field before conservation; see `Method.predict`.

        Raises:
            InputError: the model wants the day of year and the patch has none.
        """
        return self.predict_member(patch, 0, 0)

    def predict_member(self, patch: Patch, seed: int, member: int) -> Tensor:
        """Return one member before conservation, (B, h·k, w·k) float32.

        Args:
            patch: as for `predict`; its `origin` fixes the noise to the grid.
            seed: of the ensemble.
            member: 0 is the estimate without noise, 1, 2, … are draws.

        Raises:
            InputError: as `predict`; a draw is wanted from a model without noise or of a patch without
                origin.
        """
        return next(self.predict_members(patch, seed, (member,)))

    @torch.inference_mode()
    def predict_members(self, patch: Patch, seed: int, members: Iterable[int]) -> Iterator[Tensor]:
        """Yield members as `predict_member` returns them; base and features are made once for all."""
        inputs = self.planned(self.module.prepare(moved(patch, self.device)))
        for member in members:
            yield self.module.to_physical(self.module(inputs, seed, member))

    def planned(self, inputs: Inputs) -> Inputs:
        """Return the inputs in the plan's precision and layout; the base stays float32."""

        def fit(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            wanted = {"dtype": self.plan.dtype, "memory_format": self.plan.memory_format}
            return {name: x.to(self.device, **wanted) for name, x in tensors.items()}

        return replace(inputs, coarse=fit(inputs.coarse), fine=fit(inputs.fine))

    @property
    def bytes_per_cell(self) -> int:
        """A generous guess of the memory that a run needs for each fine cell of a patch."""
        spec = self.module.generator.spec
        width = widest(self.module.generator)
        bands = 12 if any(s.kind == "climatology" for s in self.sources) else 0
        return int(4 * (5 * width + 3 * sum(spec.fine.values()) + 2 * bands + 12))


def build(card: Card) -> Downscaler:
    """Return the untrained network that a card describes.

    Raises:
        InputError: its network is malformed, or does not fit its sources or its factor.
    """
    try:
        spec = NetworkSpec.from_json(dict(card.network))
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"The network in the card of {card.id} is malformed: {error}.") from error
    if spec.factor != card.factor:
        raise InputError(f"The card of {card.id} has the factor {card.factor}, its network {spec.factor}.")
    return Downscaler(card.target, card.sources, spec)


def load_model(
    package: Package, device: torch.device, plan: Plan | None = None, precision: str = "auto"
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
    card, weights = package.card, package.weights()
    try:
        module = build(card.one_step(card.cascade[0]) if card.cascade else card)
    except InputError as error:
        raise PackageError(f"{package.folder}: {error}") from error
    expected = {name: tuple(x.shape) for name, x in module.generator.state_dict().items()}
    check_weights(package, weights, expected)
    if card.cascade:
        from engine.methods.cascade import CascadeMethod  # which is made of ModelMethods

        cascade = CascadeMethod(card, weights, device, plan or Plan())
        if plan is None:
            cascade.use(measured_plan(cascade.parts[card.cascade[-1]], precision))
        return cascade
    method = ModelMethod(card, weights, device, plan or Plan())
    if plan is None:
        method.use(measured_plan(method, precision))
    return method


def measured_plan(method: ModelMethod, precision: str = "auto") -> Plan:
    """Return the fastest plan for a method's generator on its device.

    Raises:
        InputError: the device cannot run in the precision asked for.
    """
    generator, k = method.module.generator, method.factor
    edge = max(1, min(_SAMPLE, _SAMPLE_FINE // k)) + 2 * generator.halo

    def example(dtype: torch.dtype, memory_format: torch.memory_format) -> None:
        method.use(Plan(dtype, memory_format == torch.channels_last))
        like: dict[str, Any] = {"device": method.device}
        inputs = Inputs(
            {n: torch.ones(1, c, edge, edge, **like) for n, c in generator.spec.coarse.items()},
            {n: torch.ones(1, c, edge * k, edge * k, **like) for n, c in generator.spec.fine.items()},
            torch.ones(1, 2, **like) if generator.spec.season else None,
            torch.zeros(1, **like),
        )
        with torch.inference_mode():
            ready = method.planned(inputs)
            generator(ready.coarse, ready.fine, ready.vector)

    return choose_plan(generator, example, method.device, precision)


def moved(patch: Patch, device: torch.device) -> Patch:
    """Return the patch on a device."""
    if patch.target.device == device:
        return patch
    changed: dict[str, Any] = {}
    for field in fields(patch):
        value = getattr(patch, field.name)
        if isinstance(value, Tensor):
            changed[field.name] = value.to(device)
        elif isinstance(value, dict):
            changed[field.name] = {name: x.to(device) for name, x in value.items()}
    return replace(patch, **changed)
