"""The fine cells that count in a run: a mask of the user's, or what the model learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from torch import Tensor

from engine.dates import When
from engine.errors import InputError
from engine.fields.conservation import aggregate
from engine.pipeline.inspection.early_look import early_look
from engine.pipeline.inspection.understood import Understood, understood
from engine.pipeline.one_input import Input
from engine.pipeline.request import SourceReport
from engine.raster.domain_mask import domain_mask
from engine.raster.grids import refine, window
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from engine.specs import DomainSpec

DOMAIN = "domain"
_BLOCK = 1024  # cells along the edge of what is looked at before a run
_KEPT = 16  # masks of tiles and blocks, for the next date


@dataclass
class DomainInput:
    """Which fine cells count (see `engine.fields.domain`), read tile by tile.

    Attributes:
        raster: open; None: those where `source` has data.
        shipped: it is the model's own, beyond which every cell counts.
        source: the name of a fine source.
    """

    raster: Raster | None
    shipped: bool = False
    source: str = ""
    _cells: int = field(default=0, init=False)
    _inside: int = field(default=0, init=False)
    _kept: dict[GeoBox, NDArray[np.bool_]] = field(default_factory=dict, init=False)  # the last ones read

    def read(self, grid: GeoBox, fine: Mapping[str, Tensor], edge: int) -> Tensor | None:
        """Return which cells of a tile with its halo count, (1, rows, columns); None: all.

        Args:
            grid: of the fine cells.
            fine: what was read of fine sources, (1, C, rows, columns) each.
            edge: cells on each side that belong to the halo.
        """
        if self.raster is not None:
            cells = torch.from_numpy(self._marked(self.raster, grid))[None]
        elif self.source in fine:
            cells = torch.isfinite(fine[self.source]).all(1)
        else:
            return None
        own = cells[..., edge : cells.shape[-2] - edge, edge : cells.shape[-1] - edge]
        self._cells += own.numel()
        self._inside += int(own.sum())
        return cells

    @property
    def numbers(self) -> tuple[int, ...]:
        """Cells of the tiles that were read, and those of them that count."""
        return self._cells, self._inside

    def add_numbers(self, cells: int, inside: int) -> None:
        """Take in what was counted elsewhere."""
        self._cells, self._inside = self._cells + cells, self._inside + inside

    def means(self, source: Input, grid: GeoBox, factor: int, when: When | None) -> Tensor:
        """Return a fine source's means over the cells that count, (channels, rows, columns), NaN without any.

        Args:
            source: open.
            grid: of coarse cells.
            factor: k, fine cells along the edge of one of them.
            when: the date.
        """
        made: Tensor | None = None
        for part, (rows, columns) in _parts(grid, max(1, _BLOCK // factor)):
            fine = refine(part, factor)
            values = source.raster.read(
                fine, source.bands(when), source.resampling, source.spec.kind, source.spec.classes
            )
            if self.raster is not None:
                values = np.where(self._marked(self.raster, fine), values, np.float32(np.nan))
            means = aggregate(torch.from_numpy(values), factor)
            made = means.new_empty((len(means), *grid.shape)) if made is None else made
            made[:, rows, columns] = means
        if made is None:
            raise ValueError("a grid without cells")
        return made

    def check(self, output: GeoBox) -> None:
        """Refuse a domain without any cell of the output.

        Raises:
            InputError: naming the raster.
        """
        raster = self.raster
        if raster is None:
            return
        if any(bool(self._marked(raster, part).any()) for part, _ in _parts(output, _BLOCK)):
            return
        if self.shipped:
            raise InputError(
                "domain: the model counts no fine cell of the output, since it saw no truth there: choose "
                "another extent, or say which cells count (--domain)."
            )
        raise InputError(
            f"domain: {raster.ref.path} marks no cell of the output: cells that count must hold a "
            f"number other than 0."
        )

    def doubts(self) -> list[str]:
        """Say what may be wrong with the domain: sentences."""
        raster = self.raster
        if raster is None or raster.ref.band is not None or raster.count == 1:
            return []
        return [f"domain has {raster.count} bands, of which the first is taken: choose one (RASTER#BAND)."]

    def later_doubts(self) -> list[str]:
        """Say after a run that a user's mask left nothing out."""
        if self.raster is None or self.shipped or self._inside < self._cells:
            return []
        return [
            f"domain: {self.raster.ref.path} marks every cell of the output, so it leaves nothing out: cells "
            f"that do not count must be 0 or without data."
        ]

    def understood(self, output: GeoBox) -> list[Understood]:
        """Return what was understood of the raster, if there is one."""
        if self.raster is None:
            return []
        band = self.raster.ref.band or 1
        return [understood(self.raster, early_look(self.raster, output, band, None))]

    def report(self) -> SourceReport:
        """Say which share of the output's cells counts."""
        share, how = self._inside / max(self._cells, 1), "by at least half of a cell, onto the fine grid"
        if self.raster is None:
            return SourceReport(
                DOMAIN, f"where {self.source} has data", "as the source", "copied", share, 0.0
            )
        path = f"{self.raster.ref.path}{' (of the model)' if self.shipped else ''}"
        return SourceReport(DOMAIN, path, self.raster.describe(), how, share, 0.0)

    def _marked(self, raster: Raster, grid: GeoBox) -> NDArray[np.bool_]:
        if grid not in self._kept:
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[grid] = domain_mask(raster, grid, beyond=self.shipped)
        return self._kept[grid]


def domain_input(
    given: RasterRef | None, card: DomainSpec | None, shipped: RasterRef | None, output: GeoBox
) -> DomainInput | None:
    """Return the domain of a run, its raster open; None: every cell counts.

    Args:
        given: the user's mask, which comes before what the model learned.
        card: the model's own domain.
        shipped: the raster of it, where it has one; not taken where it lies elsewhere.
        output: the run's grid.

    Raises:
        InputError: the user's mask cannot be read, or does not overlap the output.
    """
    ref = given or shipped
    if ref is None:
        return DomainInput(None, source=card.source) if card is not None and card.source else None
    raster = Raster(ref, DOMAIN)
    if raster.overlaps(output):
        return DomainInput(raster, shipped=given is None)
    raster.close()
    if given is None:
        return None
    raise InputError(
        f"domain: {ref.path} does not overlap the output: check extent and CRS, or leave it out."
    )


def _parts(grid: GeoBox, edge: int) -> Iterator[tuple[GeoBox, tuple[slice, slice]]]:
    """Yield square parts of a grid with their rows and columns in it."""
    rows, columns = grid.shape
    for row in range(0, rows, edge):
        for column in range(0, columns, edge):
            height, width = min(edge, rows - row), min(edge, columns - column)
            place = slice(row, row + height), slice(column, column + width)
            yield window(grid, row, column, height, width), place
