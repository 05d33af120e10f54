"""A regression of each fine cell on the coarse cells around it, fitted before, on the cells that it knows.

Perfect-prognosis regression as in statistical downscaling (Maraun & Widmann 2018, ch. 11), one for each fine
cell. What is regressed is what smoothly conserved interpolation leaves over. It holds where the run's coarse
cells are those that it was fitted on, by their place on the earth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from odc.geo.geobox import GeoBox
from torch import Tensor

from engine.disaggregation.base_field import BASE_HALO, base_field
from engine.disaggregation.cell_relation import CellRelation, neighbours, whole
from engine.fields.conservation import clipped
from engine.fields.patch import Patch
from engine.fields.same_cells import place_among
from engine.fields.windows import narrowed, spread_cells
from engine.raster.georeference import Georeference
from engine.specs import TargetSpec
from engine.transforms import normalised, physical


@dataclass(frozen=True)
class Overlap:
    """Which cells of a window, (n,) rows and (m,) columns, are which of the fitted ones."""

    rows: Tensor
    columns: Tensor
    own_rows: Tensor
    own_columns: Tensor


@dataclass(frozen=True)
class CellRegression:
    """Corrects interpolation by each fine cell's own relation to the coarse cells around it.

    Attributes:
        relation: of what interpolation leaves over, (h, w) coarse cells.
        known: (h, w) booleans: coarse cells with truth to fit on.
        radius: coarse cells on each side that count, at most `BASE_HALO`.
        working: whether it is fitted in the target's working space; else in its units.
        place: where the (h, w) coarse cells lie, north up.
        folds: the same fitted without each block of training dates, where training asks for it.
    """

    relation: CellRelation
    known: Tensor
    radius: int
    working: bool
    place: Georeference
    folds: tuple[CellRelation, ...] = ()

    @torch.no_grad()
    def field(self, patch: Patch, target: TargetSpec) -> tuple[Tensor, Tensor]:
        """Return the field before conservation, and the coarse cells that it is fitted on.

        Args:
            patch: its halo is at least `BASE_HALO`; `origin` and `lattice` say where it lies.
            target: what is downscaled.

        Returns:
            (B, h·k, w·k) in the target's units, NaN where invalid, and (B, h, w) booleans. Elsewhere the
            field is interpolation.
        """
        patch = narrowed(patch, BASE_HALO)
        field = base_field(patch, target, (), 0)
        k, device = patch.factor, field.device
        seen = neighbours(self._inside(patch.target, target), patch.halo, self.radius)
        cells = torch.zeros(seen.shape[:3], dtype=torch.bool, device=device)
        if patch.origin is None or patch.lattice is None:
            return field, cells
        rest = torch.zeros(*seen.shape[:3], k * k, device=device)
        for number, (row, column) in enumerate(patch.origin.tolist()):
            over = self.overlap(patch.lattice, (row, column), (seen.shape[1], seen.shape[2]))
            if over is None:
                continue
            relation = self._relation(patch.fold, number).part(over.own_rows, over.own_columns, device)
            inside = over.rows[:, None], over.columns
            rest[number][inside] = relation.apply(seen[number][inside][None])[0]
            cells[number][inside] = self.known[over.own_rows[:, None], over.own_columns].to(device)
        inner = self._inside(field, target) + whole(rest, k)
        corrected = clipped(physical(inner, target) if self.working else inner, target)
        return torch.where(spread_cells(cells, k), corrected, field), cells

    def overlap(self, lattice: GeoBox, first: tuple[int, int], shape: tuple[int, int]) -> Overlap | None:
        """Return where a window lies on the fitted cells, None where its cells are no such cells.

        Args:
            lattice: see `engine.fields.patch.Patch`.
            first: row and column of the window's first cell on it.
            shape: its coarse rows and columns.
        """
        place = place_among(self._cells, lattice, first, shape)
        if place is None:
            return None
        height, width = self.known.shape
        rows, columns = torch.arange(shape[0]), torch.arange(shape[1])
        own_rows, own_columns = rows + place[0], columns + place[1]
        if self.place.turn is not None:
            own_columns = own_columns % self.place.turn
        tall, wide = (own_rows >= 0) & (own_rows < height), (own_columns >= 0) & (own_columns < width)
        if not bool(tall.any()) or not bool(wide.any()):
            return None
        return Overlap(rows[tall], columns[wide], own_rows[tall], own_columns[wide])

    def share_of(self, grid: GeoBox) -> float:
        """Return the share of a coarse grid's cells that it is fitted on.

        Cells of the fitted grid for which training had no truth do not count.
        """
        rows, columns = grid.shape
        over = self.overlap(grid, (0, 0), (rows, columns))
        if over is None:
            return 0.0
        cells = self.known[over.own_rows[:, None], over.own_columns]
        fitted = int(cells.sum())
        return fitted / max(rows * columns - cells.numel() + fitted, 1)

    @cached_property
    def _cells(self) -> GeoBox:
        height, width = self.known.shape
        return GeoBox((height, width), self.place.transform, self.place.crs.to_wkt())

    def _relation(self, fold: Tensor | None, number: int) -> CellRelation:
        """Return the relation for a window: one that does not know the window's own block of dates."""
        block = -1 if fold is None else int(fold[number])
        return self.folds[block] if block >= 0 and self.folds else self.relation

    def _inside(self, values: Tensor, target: TargetSpec) -> Tensor:
        return normalised(values, target) if self.working else values
