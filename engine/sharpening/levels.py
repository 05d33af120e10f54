"""The coarse field averaged further: pairs of levels at which detail and covariates are both known."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.fields.conservation import aggregate
from engine.fields.windows import spread_cells
from engine.sharpening.covariates import CovariateField, Covariates, Standard
from engine.sharpening.terms import terms
from engine.sharpening.working_space import WorkingSpace

STEP = 2  # coarser from level to level
LEAST_CELLS = 24  # of the coarser side of a pair, over all dates
MOST_LEVELS = 4  # farther up nothing is like what lies below the data
PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))  # rows and columns from which cells are paired
FEW_CELLS = 800  # known, over all dates: a field of fewer is averaged from each of its four corners


@dataclass
class Level:
    """What interpolation from cells twice as large leaves over on one grid, and terms that may explain it.

    Of a small field it is known for each way to pair its cells, from the first or the second row and column:
    fields of N phases follow each other, each with D dates.

    Attributes:
        values: (P, N·D, H, W) terms, zero where a cell is not known.
        groups: the covariate of each term.
        detail: (N·D, H, W) in the standardised working space, zero where a cell is not known.
        known: (N·D, H, W) whether it is.
        freedom: (N·D, H, W) expected square of a cell's detail over that where all cells of its pair of rows
            and columns are known: their mean is taken away, so that alone none is left.
        field: (N·D, H, W) the whole field there, zero where a cell is not known.
        channels: (C, N·D, H, W) the standardised covariates themselves, zero where they are not known.
        own: of each channel the number of its first term, what it stands out from its coarse means.
        phases: N.
        products: of each term, whether it is a product of covariates; none where it is empty.
        missing: (N·D, H, W) of each covariate with holes, where it is not known.
    """

    values: Tensor
    groups: tuple[str, ...]
    detail: Tensor
    known: Tensor
    freedom: Tensor
    field: Tensor
    channels: Tensor
    own: tuple[int, ...]
    phases: int = 1
    products: tuple[bool, ...] = ()
    missing: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)

    @property
    def plain(self) -> list[int]:
        """The numbers of the terms that are no products."""
        return [number for number in range(len(self.groups)) if not (self.products and self.products[number])]

    def of_terms(self, kept: Sequence[int]) -> Level:
        """Return the level with some of its terms, every covariate's own among them."""
        return replace(
            self,
            values=self.values[list(kept)],
            groups=tuple(self.groups[number] for number in kept),
            own=tuple(kept.index(number) for number in self.own),
            products=tuple(self.products[number] for number in kept) if self.products else (),
        )

    @property
    def dates(self) -> int:
        """D."""
        return len(self.detail) // self.phases

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.detail.shape[-2]), int(self.detail.shape[-1])


def levels(
    coarse: Tensor,
    covariates: Covariates,
    standards: Mapping[str, Standard],
    space: WorkingSpace,
    area: Tensor | None = None,
    products: Collection[str] = (),
) -> list[Level]:
    """Return the pairs of levels, that of the data first.

    Args:
        coarse: (D, H, W) in the target's units, NaN where invalid.
        covariates: on the same grid.
        standards: of each covariate.
        space: in which details add up.
        area: (H,) relative area of each row's cells, or None.
        products: covariates whose products are terms too.
    """
    made: list[Level] = []
    phases = PHASES if int(torch.isfinite(coarse).sum()) < FEW_CELLS else PHASES[:1]
    while len(made) < MOST_LEVELS:
        pairs = []
        for phase in phases:
            shifted = {n: CovariateField(_even(c.values, phase), c.sloped) for n, c in covariates.items()}
            pairs.append(_Pair(_even(coarse, phase), shifted, _weights(area, coarse.shape[-2], phase), phase))
        first = pairs[0]
        if int(torch.isfinite(first.above).sum()) < LEAST_CELLS or min(first.above.shape[-2:]) < 2:
            break
        made.append(_stacked([pair.level(standards, space, coarse.shape[-2:], products) for pair in pairs]))
        covariates = {n: first.averaged(c) for n, c in first.covariates.items()}
        coarse = first.above
        area = None if first.weights is None else first.weights[0].unflatten(0, (-1, STEP)).mean(1)
    return made


class _Pair:
    """A field on cells that are paired in one way, and the field of cells twice as large.

    Args:
        coarse: (D, H, W), H and W even.
        covariates: on the same grid.
        weights: (1, H) relative area of each row's cells, or None.
        phase: rows and columns without data before the first ones.
    """

    def __init__(
        self, coarse: Tensor, covariates: Covariates, weights: Tensor | None, phase: tuple[int, int]
    ) -> None:
        self.coarse, self.covariates, self.weights, self.phase = coarse, covariates, weights, phase
        self.above = aggregate(coarse, STEP, weights)
        known = torch.isfinite(coarse)
        self.known = None if bool(known.all()) else known

    def averaged(self, covariate: CovariateField) -> CovariateField:
        """Return a covariate on cells twice as large, a mean of the cells where the field is known."""
        if self.known is not None:
            values = torch.where(self.known[:, None], covariate.values, torch.nan)
            covariate = CovariateField(values, covariate.sloped)
        return covariate.averaged(STEP, self.weights)

    def level(
        self,
        standards: Mapping[str, Standard],
        space: WorkingSpace,
        shape: Sequence[int],
        products: Collection[str] = (),
    ) -> Level:
        """Return the pair of levels on the cells, (rows, columns), that the field has."""
        wide = None if self.weights is None else self.weights.expand(len(self.coarse), -1)
        base = space.forward(space.interpolated(self.above, STEP, wide))
        field = space.forward(self.coarse)
        detail = field - base
        (top, left), (rows, columns) = self.phase, shape
        known = torch.isfinite(detail)
        if any(self.phase):  # cells that were paired with none say less than they are
            known &= _paired(rows, top, known.shape[-2])[:, None] & _paired(columns, left, known.shape[-1])
        parts = list(terms(self.covariates, standards, base, STEP, known=self.known, products=products))
        values = torch.stack([term.values for term in parts]) if parts else detail.new_zeros(0, *detail.shape)

        def own(fields: Tensor) -> Tensor:
            return fields[..., top : top + rows, left : left + columns]

        return Level(
            own(torch.where(known, values, 0.0)),
            tuple(term.covariate for term in parts),
            own(torch.where(known, detail, 0.0)),
            own(known),
            own(_freedom(known)),
            own(torch.where(known, field, 0.0)),
            own(_channels(self.covariates, standards, field)),
            tuple(number for number, term in enumerate(parts) if term.own),
            products=tuple(term.product for term in parts),
            missing=_holes({name: own(c.values) for name, c in self.covariates.items()}, own(known)),
        )


def _holes(values: Mapping[str, Tensor], known: Tensor) -> dict[str, Tensor]:
    """Return where covariates, (D or 1, C, H, W), miss what the field, (D, H, W), has; if any."""
    holes = {name: ~torch.isfinite(channels).all(1) & known for name, channels in values.items()}
    return {name: own for name, own in holes.items() if bool(own.any())}


def _freedom(known: Tensor) -> Tensor:
    """Return (1 − 1/n) over the same of whole blocks, n being the known cells of each cell's block."""
    whole = STEP * STEP
    count = F.avg_pool2d(known.float()[:, None], STEP)[:, 0] * whole
    share = (1 - 1 / count.clamp_min(1)) / (1 - 1 / whole)
    return spread_cells(share, STEP) * known


def _paired(cells: int, before: int, length: int) -> Tensor:
    """Return (length,) whether a cell is paired with another one, of so many after others that were added."""
    inside = (torch.arange(length) >= before) & (torch.arange(length) < before + cells)
    return inside.unflatten(0, (-1, STEP)).all(1).repeat_interleave(STEP)


def _stacked(phases: Sequence[Level]) -> Level:
    """Return one level of those of several phases."""
    first = phases[0]
    if len(phases) == 1:
        return first
    return Level(
        torch.cat([level.values for level in phases], 1),
        first.groups,
        torch.cat([level.detail for level in phases]),
        torch.cat([level.known for level in phases]),
        torch.cat([level.freedom for level in phases]),
        torch.cat([level.field for level in phases]),
        torch.cat([level.channels for level in phases], 1),
        first.own,
        len(phases),
        first.products,
        _of_all_phases(phases),
    )


def _of_all_phases(phases: Sequence[Level]) -> dict[str, Tensor]:
    names = dict.fromkeys(name for level in phases for name in level.missing)
    return {n: torch.cat([p.missing.get(n, torch.zeros_like(p.known)) for p in phases]) for n in names}


def _weights(area: Tensor | None, rows: int, phase: tuple[int, int]) -> Tensor | None:
    """Return (1, H) the area of rows and of those that `_even` adds."""
    if area is None:
        return None
    top = phase[0]
    before, after = area[:1].expand(top), area[-1:].expand(-(rows + top) % STEP)
    return torch.cat([before, area, after])[None]


def _channels(covariates: Covariates, standards: Mapping[str, Standard], like: Tensor) -> Tensor:
    fields = [
        torch.nan_to_num(channel, nan=0.0, posinf=0.0, neginf=0.0).expand_as(like)
        for name, covariate in covariates.items()
        for channel in standards[name].applied(covariate).unbind(1)
    ]
    return torch.stack(fields) if fields else like.new_zeros(0, *like.shape)


def _even(field: Tensor, phase: tuple[int, int]) -> Tensor:
    """Return the field with `phase` rows and columns without data before it, and more for an even number."""
    (top, left), (rows, columns) = phase, field.shape[-2:]
    return F.pad(field, (left, -(columns + left) % STEP, top, -(rows + top) % STEP), value=torch.nan)
