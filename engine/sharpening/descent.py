"""Down from the coarse cells to the fine ones: step by step, each conserved, with what is expected to err."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from engine.disaggregation.base_field import base_field
from engine.fields.conservation import aggregate
from engine.fields.kept import KeptForDates, kept_or_made
from engine.fields.patch import Patch
from engine.fields.upsample import upsample
from engine.fields.windows import crop, spread_cells
from engine.sharpening.covariates import CovariateField, Covariates
from engine.sharpening.fit import Fitted
from engine.sharpening.missing_covariates import Shares, missing_shares, not_carried
from engine.sharpening.plausible import DetailShares
from engine.sharpening.relation import BLOCK
from engine.sharpening.terms import Term, fixed_terms, with_field
from engine.sharpening.working_space import HALO as STEP_HALO
from engine.specs import TargetSpec

_RING = 1  # coarse cells around the window that the supported share is interpolated from
_TINY = 1e-12
_WHOLE = DetailShares()


@dataclass(frozen=True)
class Sharpened:
    """A finished window, (h·k, w·k) without its halo, NaN where there is no coarse value.

    Attributes:
        field: in the target's units.
        error: its expected error, root mean square, in the same; NaN where no level above was there.
        support: share of the fine detail's variance that is supported, 0..1.
    """

    field: Tensor
    error: Tensor
    support: Tensor


@dataclass(frozen=True)
class _Side:
    """The fine side of a step, in a window.

    Attributes:
        step: fine cells along the edge of a cell on the coarse side.
        above: cells of the coarse side along a coarse cell's edge.
        margin: cells of the fine side around the window that are still good.
    """

    step: int
    above: int
    margin: int

    @property
    def cells(self) -> int:
        """Cells along a coarse cell's edge."""
        return self.above * self.step

    @property
    def octaves(self) -> tuple[float, float]:
        """Between which depths below the coarse cells its detail lies."""
        return math.log2(self.above), math.log2(self.cells)


def steps(factor: int) -> list[int]:
    """Return the factors of the steps down, the small ones first."""
    parts, divisor = [], 2
    while factor > 1:
        while factor % divisor == 0:
            parts.append(divisor)
            factor //= divisor
        divisor += 1
    return parts


def halo(factor: int) -> int:
    """Return the coarse cells of context that a descent needs on each side."""
    cells, reach = 1, 0.0
    for step in steps(factor):
        reach += STEP_HALO / cells
        cells *= step
    return math.ceil(reach) + _RING


class Descent:
    """Applies what was fitted to windows.

    Args:
        fitted: at the levels above.
        target: its rule, scale and bounds.
        factor: k, fine cells along a coarse cell's edge.
        corner: row and column of the fitted field's first cell, in the numbering of windows' origins.
    """

    def __init__(self, fitted: Fitted, target: TargetSpec, factor: int, corner: tuple[int, int]) -> None:
        self.fitted, self.target, self.factor, self.corner = fitted, target, factor, corner
        self.halo = halo(factor)

    def window(
        self,
        coarse: Tensor,
        covariates: Covariates,
        date: int,
        origin: tuple[int, int],
        area: Tensor | None = None,
        domain: Tensor | None = None,
        kept: KeptForDates | None = None,
    ) -> Sharpened:
        """Sharpen one window.

        Args:
            coarse: (1, H, W) with `halo` cells around, in the target's units.
            covariates: on the fine cells of all of it, NaN outside the domain.
            date: number of the date among those fitted.
            origin: row and column of the window's first cell, the halo left out.
            area: (1, H·k) relative area of each row's fine cells, where they weigh by it.
            domain: (1, H·k, W·k) the fine cells that the coarse values speak of; None: all.
            kept: holds what is made of covariates that are the same at all dates; None: they are not.
        """
        space, field, plain = self.fitted.space, coarse, coarse
        unknown, signal, lacking = (torch.zeros_like(coarse) for _ in range(3))
        above, margin = 1, self.halo
        pyramid = kept_or_made(kept, "pyramid", partial(self._pyramid, covariates))
        missing = kept_or_made(kept, "missing", partial(self._missing, covariates, domain, pyramid))
        for step in steps(self.factor):
            side = _Side(step, above, (margin - STEP_HALO) * step)
            rows = self._rows(area, side)
            inner = None if rows is None else rows[:, STEP_HALO * step : rows.shape[1] - STEP_HALO * step]
            inside = self._inside(domain, side)
            u = space.forward(space.interpolated(field, step, rows, STEP_HALO, inside))
            known = spread_cells(torch.isfinite(field), step)
            holes = None if bool(known.all()) else known
            made = partial(self._fixed_terms, pyramid[side.cells], side, holes, kept)
            carried, doubt = self._carried(made, u, side, date, origin)
            field = space.conserved(space.inverse(u + carried), crop(field, STEP_HALO), step, inner)
            if self._carries:
                plain = space.interpolated(plain, step, rows, STEP_HALO, inside)
            unknown = spread_cells(crop(unknown, STEP_HALO), step) + doubt
            signal = spread_cells(crop(signal, STEP_HALO), step) + carried.square()
            lacking = spread_cells(crop(lacking, STEP_HALO), step) + self._not_carried(missing, u, side)
            above, margin = side.cells, side.margin
        carried, unknown, lack = (
            aggregate(crop(x, margin - _RING * above), self.factor) for x in (signal, unknown, lacking)
        )
        support = self._smooth(carried / (carried + unknown + lack).clamp_min(_TINY)).clamp(0, 1)
        smooth = self._interpolated(coarse, area, domain)
        if self._carries:
            # Interpolation in one step is better than in several, but what is carried down joins the several:
            # the more of the detail it is, the less the one counts.
            field, plain = crop(field, margin), crop(plain, margin)
            gap = space.forward(smooth) - space.forward(plain)
            field = space.inverse(space.forward(field) + (1 - support) * gap)
            field = space.conserved(field, crop(coarse, self.halo), self.factor, self._inner_rows(area))
        else:
            field = smooth
        unknown = self._smooth(unknown) + crop(lacking, margin)
        known = torch.isfinite(field)
        measured = known & (self.fitted.levels > 0)
        error = torch.where(measured, unknown.clamp_min(0).sqrt() * space.stretch(field), torch.nan)
        return Sharpened(field[0], error[0], torch.where(known, support, torch.nan)[0])

    def _pyramid(self, covariates: Covariates) -> dict[int, Covariates]:
        """Return the covariates on the fine side of each step, by its cells along a coarse cell's edge."""
        cells, made = self.factor, {self.factor: covariates}
        for step in reversed(steps(self.factor)[1:]):
            covariates = {name: covariate.averaged(step) for name, covariate in covariates.items()}
            cells //= step
            made[cells] = covariates
        return made

    def _missing(
        self, covariates: Covariates, domain: Tensor | None, sides: Collection[int]
    ) -> dict[int, Shares]:
        """Return the share missing of each covariate that counts, by cells along a coarse one's edge."""
        if self.fitted.missed is None:
            return {}
        counting = {name: c for name, c in covariates.items() if name in self.fitted.missed.shares}
        edges = {self.factor // cells: cells for cells in (1, *sides)}
        shares = missing_shares(counting, domain, list(edges))
        return {cells: shares[edge] for edge, cells in edges.items()}

    def _not_carried(self, missing: Mapping[int, Shares], u: Tensor, side: _Side) -> Tensor | float:
        """Return the mean square of detail that a step lacks where covariates are missing."""
        missed = self.fitted.missed
        if missed is None or not missing[side.cells]:
            return 0.0
        square, lacking = missed.below(self.fitted.unexplained, *side.octaves), torch.zeros_like(u)
        cut = self.halo * side.above - side.margin // side.step
        for name, share in missing[side.cells].items():
            above = crop(missing[side.above][name], cut)
            lacking += missed.shares[name] * not_carried(crop(share, cut * side.step), above, side.step)
        return square * torch.where(torch.isfinite(u), lacking, 0.0)

    @property
    def _carries(self) -> bool:
        """Whether any covariate shows a gain, so that there is a detail to add."""
        return any(gain.shown for gain in self.fitted.gains.values())

    def _interpolated(self, coarse: Tensor, area: Tensor | None, domain: Tensor | None) -> Tensor:
        """Return the window of plain interpolation in one step, as `bicubicsmooth` makes it."""
        k = self.factor
        cut = max(self.halo - STEP_HALO, 0)
        rows = None if area is None else area[:, cut * k : area.shape[1] - cut * k]
        inside = None if domain is None else crop(domain, cut, k)
        patch = Patch(factor=k, halo=self.halo - cut, target=crop(coarse, cut), area=rows, domain=inside)
        return base_field(patch, self.target, (), 0)

    def _inner_rows(self, area: Tensor | None) -> Tensor | None:
        cut = self.halo * self.factor
        return None if area is None else area[:, cut : area.shape[1] - cut]

    def _rows(self, area: Tensor | None, side: _Side) -> Tensor | None:
        """Return the relative area of the rows of a step's fine side, its coarse side's margin among them."""
        if area is None:
            return None
        rows = area.unflatten(1, (-1, self.factor // side.cells)).mean(2)
        cut = self.halo * side.cells - side.margin - STEP_HALO * side.step
        return rows[:, cut : rows.shape[1] - cut]

    def _inside(self, domain: Tensor | None, side: _Side) -> Tensor | None:
        """Return which cells of a step's fine side hold any of the domain, its margin among them."""
        if domain is None:
            return None
        edge = self.factor // side.cells
        cells = domain.unflatten(-2, (-1, edge)).any(-2).unflatten(-1, (-1, edge)).any(-1)
        return crop(cells, self.halo * side.cells - side.margin - STEP_HALO * side.step)

    def _carried(
        self,
        fixed: Callable[[Collection[str]], Iterable[Term]],
        u: Tensor,
        side: _Side,
        date: int,
        origin: tuple[int, int],
    ) -> tuple[Tensor, Tensor]:
        """Return the detail that a step adds, and the mean square that is expected of its error.

        `fixed` returns the terms that the field has no part in, given the covariates that are looked at.
        """
        fitted, relation, rest = self.fitted, self.fitted.relation, self.fitted.unexplained
        total, spread = torch.zeros_like(u), torch.full_like(u, rest.below(*side.octaves))
        where = self._spread(rest.places, u, side, origin)[None]
        if relation is None:
            return total, spread * where
        alike = torch.zeros_like(u)
        depth = sum(side.octaves) / 2 + 0.5
        worth = {name: gain.below(depth) for name, gain in fitted.gains.items()}
        for name, shares in fitted.details.items():
            share, (factor, deviation) = shares.plausible.get(side.cells, 1.0), worth.get(name, (0.0, 0.0))
            worth[name] = share * factor, share * deviation
        parts = {name: torch.zeros_like(u) for name, (factor, _) in worth.items() if factor > 0}
        for number, term in enumerate(with_field(fixed(parts), u)):
            if number in rest.energies:
                # What is unknown is taken to grow no more below the data; a covariate's noise does.
                share = fitted.details.get(term.covariate, _WHOLE).steady.get(side.cells, 1.0)
                energy = rest.energies[number] * len(rest.energies)
                alike += term.values.square() * (share * rest.here / energy)
            if term.covariate not in parts:
                continue
            weight: Tensor | float = float(relation.dates[date, number])
            if relation.places is not None:
                weight = weight + self._spread(relation.places[number][None], u, side, origin)
            parts[term.covariate] += weight * term.values
        doubt = ((1 - rest.alike) * spread + rest.alike * alike) * where
        for name, part in parts.items():
            factor, deviation = worth[name]
            total += factor * part
            doubt = doubt + (deviation * part).square()
        return total, doubt

    def _fixed_terms(
        self,
        covariates: Covariates,
        side: _Side,
        holes: Tensor | None,
        kept: KeptForDates | None,
        used: Collection[str],
    ) -> Iterable[Term]:
        """Return the terms of a step that the field has no part in, kept for other dates if that can be."""
        cut = self.halo * side.cells - side.margin - STEP_HALO * side.step
        own = {}
        for name, covariate in covariates.items():
            own[name] = CovariateField(crop(covariate.values, cut), covariate.sloped)
        standards, products = self.fitted.standards, self.fitted.products
        made = fixed_terms(own, standards, side.step, STEP_HALO, holes, products, used)
        if kept is None:
            return made
        return kept.made_with(("terms", side, tuple(used)), holes, partial(list, made))

    def _spread(self, blocks: Tensor, like: Tensor, side: _Side, origin: tuple[int, int]) -> Tensor:
        """Interpolate (1, rows, columns) of the fit's blocks to the cells of a step's fine side: (H, W)."""
        field = blocks[0].float()
        for axis in (0, 1):
            first = (origin[axis] - self.corner[axis]) * side.cells - side.margin
            cells = torch.arange(first, first + like.shape[axis - 2], dtype=torch.float64)
            place = ((cells + 0.5) / (BLOCK * side.cells) - 0.5).clamp(0, field.shape[axis] - 1)
            low = place.floor().long()
            high = (low + 1).clamp_max(field.shape[axis] - 1)
            share = (place - low).float().unsqueeze(1 - axis)
            field = field.index_select(axis, low) * (1 - share) + field.index_select(axis, high) * share
        return field

    def _smooth(self, cells: Tensor) -> Tensor:
        """Interpolate what is known of coarse cells, the ring among them, to the fine cells without it."""
        return upsample(cells, self.factor, "bilinear", _RING)
