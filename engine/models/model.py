"""A trained model as a method of the pipeline."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import MISSING, fields, replace

import torch
from odc.geo.geobox import GeoBox
from torch import Tensor

from engine.compute.devices import PrecisionPlan, lay_out
from engine.disaggregation.cell_regression import CellRegression
from engine.errors import InputError, PackageError
from engine.features.network_inputs import NetworkInputs, is_static, static_key
from engine.fields.member_seed import Seed
from engine.fields.missing import all_finite
from engine.fields.patch import Patch, moved
from engine.methods.interface import BaseInUse, EnsembleMethod
from engine.nets.architectures import build_generator
from engine.nets.downscaler import Downscaler
from engine.nets.interface import GeneratorNetwork
from engine.nets.spec import NetworkSpec
from engine.package.card import Card


class ModelMethod(EnsembleMethod):
    """A model package at work; see `engine.methods.Method`.

    The generator runs in the plan's precision and layout; base, residual's sum, inverse transform
    and bounds are float32.

    Args:
        card: of the package.
        weights: of the generator, by the names in its state.
        device: where it runs.
        plan: precision and layout.
        regression: of its base, where the card names one.

    Raises:
        InputError: the card's network does not fit its sources.
    """

    def __init__(
        self,
        card: Card,
        weights: Mapping[str, Tensor],
        device: torch.device,
        plan: PrecisionPlan,
        regression: CellRegression | None = None,
    ) -> None:
        super().__init__(card.id, card.name, card.factor, card.target, card.sources)
        self.card, self.device = card, torch.device(device)
        self.module: Downscaler = build(card, regression).eval().requires_grad_(False)
        self._weights = dict(weights)
        self.halo = self.module.halo
        self.use(plan)

    @property
    def plan(self) -> PrecisionPlan:
        """In what precision and memory layout the generator runs."""
        return self._plan

    def use(self, plan: PrecisionPlan) -> None:
        """Run in another precision and layout from now on."""
        self._plan = plan
        lay_out(self.module.generator, self.device, plan)
        self.module.generator.load_state_dict(self._weights)  # whole again after a coarser precision

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

    @torch.inference_mode()
    def predict_member(self, patch: Patch, seed: Seed, member: int) -> Tensor:
        """Return one member before conservation, (B, h·k, w·k) float32.

        Args:
            patch: as for `predict`; its `origin` fixes the noise to the grid.
            seed: of the ensemble.
            member: 0 is the estimate without noise, 1, 2, … are draws.

        Raises:
            InputError: as `predict`; a draw is wanted from a model without noise or of a patch without
                origin.
            PackageError: the network gives what is no number.
        """
        inputs = self._inputs(patch)
        return self._checked(inputs, self.module(inputs, seed, member))

    @torch.inference_mode()
    def predict_members(self, patch: Patch, seed: Seed, members: Iterable[int]) -> Iterator[Tensor]:
        """Yield members as `predict_member` returns them; what does not depend on the noise is made once."""
        inputs = self._inputs(patch)
        draw = self.module.ready(inputs)
        for member in members:
            yield self._checked(inputs, draw(seed, member))

    def _inputs(self, patch: Patch) -> NetworkInputs:
        """Return what the network sees of a patch, and the base."""
        patch = moved(patch, self.device)
        if self.card.domain is None:
            # Learned where every cell counted: what lies outside of a domain is cut out by conservation.
            patch = replace(patch, domain=None)
        inputs = self.planned(self.module.prepare(patch))
        if patch.kept is not None:  # as they are laid out, for the dates to come
            for source in filter(is_static, self.module.sources):
                made = (inputs.coarse if source.grid == "coarse" else inputs.fine).get(source.name)
                if made is not None:
                    patch.kept.put(static_key(source), made)
        return inputs

    def _checked(self, inputs: NetworkInputs, drawn: Tensor) -> Tensor:
        """Return what the network drew in the target's units.

        Raises:
            PackageError: it is no number where there is a base.
        """
        field = self.module.to_physical(drawn)
        known = all_finite(field)  # which is quick
        if not known and not bool((torch.isfinite(field) | ~torch.isfinite(inputs.base)).all()):
            raise PackageError(
                f"The model {self.card.id} gives values that are no numbers: its weights are damaged, or "
                "the inputs are far from those that it was trained on."
            )
        return field

    def planned(self, inputs: NetworkInputs) -> NetworkInputs:
        """Return the inputs in the plan's precision and layout; the base stays float32."""
        vector = None if inputs.vector is None else inputs.vector.to(self.device)
        coarse, fine = self.laid_out(inputs.coarse), self.laid_out(inputs.fine)
        return replace(inputs, coarse=coarse, fine=fine, vector=vector)

    def laid_out(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return sources on the device in the plan's precision and layout."""
        # A compiled network lays its inputs out by itself.
        layout = self.plan.memory_format if self.module.compiled is None else torch.contiguous_format
        return {name: x.to(self.device, self.plan.dtype, memory_format=layout) for name, x in tensors.items()}

    @property
    def weights(self) -> Mapping[str, Tensor]:
        """The generator's weights as they were learned, by name."""
        return self._weights

    def fresh_generator(self) -> GeneratorNetwork:
        """Return another generator with the same weights, float32, on the processor."""
        generator = build_generator(self.module.generator.spec).eval().requires_grad_(False)
        generator.load_state_dict(dict(self._weights))
        return generator

    @property
    def bytes_per_cell(self) -> int:
        """A generous guess of the memory that a run needs for each fine cell of a patch."""
        spec = self.module.generator.spec
        width = self.module.generator.widest
        bands = 12 if any(s.traits.of_target for s in self.sources) else 0
        own = 40 if self.module.base.regression is not None else 0  # what relates each cell to those around
        return int(4 * (5 * width + 3 * sum(spec.fine.values()) + 2 * bands + own + 12))

    @property
    def shared_bytes_per_cell(self) -> float:
        """See `EnsembleMethod.shared_bytes_per_cell`: encoded sources at all levels, as wide as the maps."""
        spec = self.module.generator.spec
        return 4 * sum(w * (s / spec.factor) ** 2 for w, s in zip(spec.widths, spec.scales, strict=True))

    def base_in_use(self, given: Collection[str], climatology: bool, grid: GeoBox) -> BaseInUse | None:
        """See `Method.base_in_use`."""
        base = self.module.base
        if not base.parts and base.regression is None:
            return None
        return base.in_use(given, climatology, grid)


def build(card: Card, regression: CellRegression | None = None) -> Downscaler:
    """Return the untrained network that a card describes.

    Args:
        card: of the package.
        regression: of its base, where the card names one.

    Raises:
        InputError: its network is malformed, or does not fit its sources or its factor.
    """
    needed = [f.name for f in fields(NetworkSpec) if f.default is MISSING and f.default_factory is MISSING]
    lacking = [name for name in needed if name not in card.network]
    if lacking:
        raise InputError(f"The network in the card of {card.id} lacks {lacking[0]}.")
    try:
        spec = NetworkSpec.from_json(dict(card.network))
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"The network in the card of {card.id} is malformed: a key of it is unknown or of the wrong kind."
        ) from error
    if spec.factor != card.factor:
        raise InputError(f"The card of {card.id} has the factor {card.factor}, its network {spec.factor}.")
    return Downscaler(card.target, card.sources, spec, card.base, regression, card.spread)
