"""A model that takes a small step again and again: ×2, ×2, ×2, ×2, ×3 makes ×48.

Such a model has seen no fine truth. It learned to halve (or to third) the cells of the coarse field
itself, from that field's own means and sources averaged alike, and is used below the scale that it
learned at: as in TsHARP (Kustas et al. 2003, Remote Sens. Environ. 85) and DMS (Gao, Kustas &
Anderson 2012, Remote Sens. 4), the relation to the sources is taken to hold at every scale. One set
of weights serves every step; statistics that normalise are those of the coarse level throughout, so
that what the network learned per metre of relief stays per metre of relief.

That a relation holds at every scale is seldom true of more than a part of it. The card's shares say by what
each step's detail is multiplied; they were measured above the data (`training.cascade.fading`). Where nothing
counts, the model is smoothly conserved interpolation, in one step.

Each step's result is conserved, so the last one keeps the means of the first coarse field; sources
on the fine grid are averaged over valid cells to each step's fine grid, coarse ones interpolated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial

import torch
from torch import Tensor, nn

from engine.compute.devices import PrecisionPlan
from engine.disaggregation.base_field import BASE_HALO, base_field
from engine.features.network_inputs import is_static
from engine.fields.conservation import aggregate, conserve
from engine.fields.kept import kept_or_made
from engine.fields.patch import Patch, moved
from engine.fields.upsample import upsample
from engine.fields.windows import crop, narrowed
from engine.methods.interface import Method
from engine.models.model import ModelMethod
from engine.package.card import Card

KERNEL = "bilinear"  # brings coarse sources to the steps below the first


class CascadeMethod(Method):
    """A model package whose card has `cascade`; see `engine.methods.Method`.

    Args:
        card: of the package.
        weights: of the generator of a step, by the names in its state.
        device: where it runs.
        plan: precision and layout.

    Raises:
        InputError: the card's network does not fit its sources.
    """

    ensemble = False

    def __init__(
        self, card: Card, weights: Mapping[str, Tensor], device: torch.device, plan: PrecisionPlan
    ) -> None:
        super().__init__(card.id, card.name, card.factor, card.target, card.sources)
        self.card, self.device, self.steps = card, torch.device(device), card.cascade
        shares = card.shares or (1.0,) * len(self.steps)
        self.counts = any(shares)  # whether any step's detail does
        made: dict[tuple[int, float], ModelMethod] = {}
        for number, step in enumerate(zip(self.steps, shares, strict=True)):
            if step not in made:
                made[step] = ModelMethod(card.one_step(number), weights, device, plan)
        self.parts = [made[step] for step in zip(self.steps, shares, strict=True)]
        self.module = nn.ModuleList(part.module for part in made.values())
        self.static = {source.name for source in card.sources if is_static(source)}
        self.needs = self._needs()
        self.halo = self.needs[0]

    @property
    def plan(self) -> PrecisionPlan:
        """Precision and layout."""
        return self.parts[-1].plan

    def use(self, plan: PrecisionPlan) -> None:
        """Run in another precision and layout from now on."""
        for part in self.parts:
            part.use(plan)

    @property
    def bytes_per_cell(self) -> int:
        """A generous guess of the memory that a run needs for each fine cell of a patch."""
        return max(part.bytes_per_cell for part in self.parts)

    @torch.inference_mode()
    def predict(self, patch: Patch) -> Tensor:
        """Return the field, conserved at every step; see `Method.predict`.

        Raises:
            InputError: the model wants the day of year and the patch has none.
        """
        patch = narrowed(moved(patch, self.device), self.halo)
        patch = replace(patch, domain=None)  # learned where every cell counted; conservation cuts it out
        if not self.counts:
            return base_field(narrowed(patch, BASE_HALO), self.target, (), 0)
        field, margin, scale = patch.target, patch.halo, 1
        for step, part, need in zip(self.steps, self.parts, self.needs, strict=True):
            field, margin = crop(field, margin - need), need
            level = self._level(patch, field, margin, scale, part)
            fine = part.predict(level)
            area = None if level.area is None else _inner(level.area, part.halo * step)
            field = conserve(fine, crop(field, part.halo), step, self.target, area=area)
            margin, scale = (margin - part.halo) * step, scale * step
        return crop(field, margin)

    def _needs(self) -> tuple[int, ...]:
        """Return the context that each step needs around the window, in the step's coarse cells.

        A step's halo counts in its own coarse cells; that of the steps below in theirs.
        """
        needs, below = [], Fraction(0)
        for step, part in zip(reversed(self.steps), reversed(self.parts), strict=True):
            below = part.halo + below / step
            needs.append(-(-below.numerator // below.denominator))
        return tuple(reversed(needs))

    def _level(self, patch: Patch, field: Tensor, margin: int, scale: int, part: ModelMethod) -> Patch:
        """Return what a step sees.

        Args:
            patch: the whole one, with the cascade's halo.
            field: (B, H, W) the step's coarse field, `margin` cells around the window.
            margin: in the step's coarse cells.
            scale: the step's coarse cells along one of the patch's.
            part: the step's method.
        """
        k, step = patch.factor, part.factor
        rest = k // (scale * step)
        edge = patch.halo * k - margin * rest * step  # fine cells that are too many on each side
        area = None if patch.area is None else _inner(patch.area, edge)
        weights = area[:, None] if area is not None and self.target.by_area else None
        kept = None if patch.kept is None else patch.kept.part(("scale", scale))
        fine = {}
        for name, values in patch.fine.items():
            fine[name] = kept_or_made(
                kept if name in self.static else None,
                ("means", name),
                partial(_means, crop(values, edge), rest, weights),
            )
        # At their border the enlarged ones are not exact, but the first step's halo is cut off there.
        coarse = {name: _enlarged(values, scale) for name, values in patch.coarse.items()}
        return replace(
            patch,
            factor=step,
            halo=part.halo,
            target=field,
            coarse={name: crop(values, patch.halo * scale - margin) for name, values in coarse.items()},
            fine=fine,
            cell_size=None if patch.cell_size is None else _inner(patch.cell_size, edge, rest) * rest,
            area=None if area is None else _inner(area, 0, rest),
            origin=None,
            kept=kept,
        )


def _means(values: Tensor, factor: int, weights: Tensor | None) -> Tensor:
    return values if factor == 1 else aggregate(values, factor, weights)


def _enlarged(values: Tensor, scale: int) -> Tensor:
    """Interpolate (B, C, H, W) between its valid cells; invalid ones stay invalid."""
    if scale == 1:
        return values
    batch, channels = values.shape[:2]
    flat = values.flatten(0, 1)
    result = upsample(flat, scale, KERNEL)
    hole = ~torch.isfinite(flat)
    if bool(hole.any()):
        beneath = hole.repeat_interleave(scale, -1).repeat_interleave(scale, -2)
        result = result.masked_fill(beneath, torch.nan)
    return result.unflatten(0, (batch, channels))


def _inner(rows: Tensor, cut: int, block: int = 1) -> Tensor:
    """Cut (…, H) at both ends and average blocks of it."""
    rows = rows[..., cut : rows.shape[-1] - cut]
    return rows if block == 1 else rows.unflatten(-1, (-1, block)).mean(-1)
