"""The learned part and what it stands on: patch → inputs → residual on a base → physical units.

Training and inference share this path; conservation comes after.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from engine.disaggregation.cell_regression import CellRegression
from engine.errors import InputError
from engine.features.derived import REACH
from engine.features.network_inputs import BASE, TARGET, NetworkInputs, network_channels, network_inputs
from engine.fields.conservation import clipped
from engine.fields.domain import within
from engine.fields.member_seed import Seed
from engine.fields.patch import Patch
from engine.fields.windows import narrowed
from engine.methods.blended_base import BlendedBase
from engine.nets.architectures import build_generator
from engine.nets.flow import FlowGenerator
from engine.nets.noise import Noise
from engine.nets.spec import NetworkSpec
from engine.specs import BaseSpec, SourceSpec, SpreadSpec, TargetSpec
from engine.transforms import from_zero, normalised, physical

Draw = Callable[[Noise | None], Tensor]  # a generator with its sources


class CompiledNetwork(Protocol):
    """A generator without noise as another runtime runs it."""

    def fits(self, coarse: Mapping[str, Tensor], fine: Mapping[str, Tensor]) -> bool:
        """Return whether it was made for these sources."""

    def __call__(
        self, coarse: Mapping[str, Tensor], fine: Mapping[str, Tensor], vector: Tensor | None
    ) -> Tensor:
        """Return (B, 1, h·k, w·k) float32, as the generator does."""


class Downscaler(nn.Module):
    """A generator whose output is a residual, in transformed space, on the best simple disaggregation.

    `halo` is the context in coarse cells that a patch must bring.

    Args:
        target: what is downscaled.
        sources: of the card.
        spec: of the generator; its inputs must be those of target and sources.
        base: what the residual stands on, and its share; None: the best that the sources allow, whole.
        regression: of the base, where it names one.
        spread: of members; None: as the network draws them.

    Raises:
        InputError: the specification does not fit the sources, or the base's method is unknown.
    """

    def __init__(
        self,
        target: TargetSpec,
        sources: Sequence[SourceSpec],
        spec: NetworkSpec,
        base: BaseSpec | None = None,
        regression: CellRegression | None = None,
        spread: SpreadSpec | None = None,
    ) -> None:
        super().__init__()
        self.base_spec = base or BaseSpec()
        self.base = BlendedBase(self.base_spec, spec.factor, target, sources, regression)
        self.target, self.sources = target, tuple(sources)
        coarse, fine = network_channels(self.sources)
        for given, wanted in ((dict(spec.coarse), coarse), (dict(spec.fine), fine)):
            for name in {**wanted, **given}:
                if given.get(name) != wanted.get(name):
                    raise InputError(
                        f"The network has {given.get(name, 0)} channels for {name}, but the sources give "
                        f"{wanted.get(name, 0)}."
                    )
        self.generator = build_generator(spec)
        self.halo = self.generator.halo + max(self.base.halo, REACH)
        self.spread = spread or SpreadSpec()
        self.compiled: CompiledNetwork | None = None  # does the generator's work for the inputs that fit it
        self._last: tuple[weakref.ref[NetworkInputs], Tensor] | None = None

    @torch.no_grad()
    def prepare(self, patch: Patch) -> NetworkInputs:
        """Return the generator's inputs and the base, float32, without gradients.

        Args:
            patch: its halo is at least `halo`.

        Raises:
            InputError: the day of year is wanted and not known.
        """
        halo = self.generator.halo
        patch = narrowed(patch, self.halo)
        # As conservation takes it: a base made of round-off below zero is not the base of zeros.
        patch = replace(patch, target=from_zero(patch.target, self.target))
        if patch.climatology is not None:  # of the target, which is nothing outside the domain
            patch = replace(patch, climatology=within(patch.climatology, patch))
        base = self.base.field(patch, halo)
        return network_inputs(patch, self.target, self.sources, base, halo, self.generator.spec.season)

    @property
    def ensemble(self) -> bool:
        """Whether there are members to draw, beside the deterministic estimate."""
        return self.generator.spec.noise > 0

    def forward(self, inputs: NetworkInputs, seed: Seed = 0, member: int | Sequence[int] = 0) -> Tensor:
        """Return the field as the network sees the target, (B, h·k, w·k) float32, NaN as in the base.

        Args:
            inputs: as `prepare` returns them.
            seed: of the ensemble.
            member: 0 is the deterministic estimate, without noise; 1, 2, … are draws. One number for
                all windows or one for each.

        Raises:
            InputError: a draw is wanted from a network without noise, or of windows without origin.
        """
        return self._member(inputs, self._network(inputs), seed, member)

    def ready(self, inputs: NetworkInputs) -> Callable[[Seed, int], Tensor]:
        """Return what makes a seed's member of these inputs as `forward` does.

        For several members, not for training: what they have in common is made once.
        """
        network, flow = self.generator, None
        if isinstance(network, FlowGenerator):
            flow = network.ready_drawn(inputs.coarse, inputs.fine, inputs.vector)
        made = network.ready(inputs.coarse, inputs.fine, inputs.vector)
        return partial(self._member, inputs, made, flow=flow)

    def _network(self, inputs: NetworkInputs) -> Draw:
        return partial(self.generator, inputs.coarse, inputs.fine, inputs.vector)

    def _member(
        self,
        inputs: NetworkInputs,
        network: Draw,
        seed: Seed,
        member: int | Sequence[int],
        flow: Callable[[Noise], Tensor] | None = None,
    ) -> Tensor:
        """Return the field of `forward`; network and flow are the generator with these inputs."""
        noise = self.noise(inputs, seed, member)
        if noise is None:
            return self._field(inputs, network, None)
        factor = self.spread.factor({*inputs.coarse, *inputs.fine} - {TARGET, BASE})
        if isinstance(self.generator, FlowGenerator):
            flow = flow or self.generator.ready_drawn(inputs.coarse, inputs.fine, inputs.vector)
            return self._estimate(inputs) + factor * flow(noise)
        field = self._field(inputs, network, noise)
        return field if factor == 1 else torch.lerp(self._estimate(inputs), field, factor)

    def _estimate(self, inputs: NetworkInputs) -> Tensor:
        """Return the field of member 0; the last inputs' is kept, since members come one after another."""
        if self._last is None or self._last[0]() is not inputs:
            self._last = weakref.ref(inputs), self._field(inputs, self._network(inputs), None)
        return self._last[1]

    def _field(self, inputs: NetworkInputs, network: Draw, noise: Noise | None) -> Tensor:
        """Return the field that the network draws, as `forward`."""
        share = self.base_spec.residual
        if share == 0:
            return inputs.base
        result = self._compiled(inputs) if noise is None else None
        if result is None:
            result = network(noise)
        result = result.squeeze(1).float()
        if not self.generator.whole_field:
            result = inputs.base + result
        # Not by the sum alone: what follows has a NaN for gradient at a missing cell, which would spoil all.
        field = torch.where(torch.isfinite(inputs.base), result, inputs.base)
        if share == 1:
            return field
        return self.shrunk(self.to_physical(inputs.base), self.to_physical(field), share)

    def shrunk(self, base: Tensor, field: Tensor, share: float) -> Tensor:
        """Return base and a share of the residual as the network sees the target; both are in its units."""
        return normalised(torch.lerp(base, field, share), self.target)

    def _compiled(self, inputs: NetworkInputs) -> Tensor | None:
        """Return the field as the compiled network gives it, None where there is none for these inputs."""
        if self.compiled is None or not self.compiled.fits(inputs.coarse, inputs.fine):
            return None
        try:
            return self.compiled(inputs.coarse, inputs.fine, inputs.vector)
        except RuntimeError:  # too little memory, say: torch does it, and smaller tiles if it must
            self.compiled = None
            return None

    def noise(self, inputs: NetworkInputs, seed: Seed, member: int | Sequence[int]) -> Noise | None:
        """Return the noise of these members, None where all are member 0; raises InputError as `forward`."""
        count = inputs.base.shape[0]
        members = (member,) * count if isinstance(member, int) else tuple(member)
        if not any(members):
            return None
        if not self.ensemble:
            raise InputError("The network has no noise input: it has no members to draw.")
        if inputs.origin is None:
            raise InputError("Members cannot be drawn: the patch does not say where it lies.")
        return Noise(seed, members, inputs.origin, inputs.turn, inputs.base.device)

    def to_physical(self, field: Tensor) -> Tensor:
        """Return the field of `forward` in the target's units, cut off at its bounds."""
        return clipped(physical(field, self.target), self.target)

    def forward_physical(self, patch: Patch, seed: Seed = 0, member: int | Sequence[int] = 0) -> Tensor:
        """Return the field in the target's units, before conservation, (B, h·k, w·k) float32.

        NaN where there is no coarse value. Gradients reach the generator's weights. Seed and member
        are those of `forward`; raises InputError as it does.
        """
        return self.to_physical(self(self.prepare(patch), seed, member))
