"""What is known: the coarse raster itself, and the same averaged once more."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from odc.geo.geobox import GeoBox
from torch import Tensor

from engine.band_dates import date_tags
from engine.comparison.request import CompareRequest
from engine.dates import When
from engine.errors import InputError
from engine.feedback import Feedback
from engine.fields.conservation import aggregate
from engine.pipeline.inputs import InputRasters
from engine.pipeline.method_choice import choose
from engine.pipeline.request import SuperResolveRequest
from engine.raster.georeference import crs_wkt
from engine.raster.grids import plan, relative_area, window
from engine.raster.written.raster_writer import RasterWriter
from engine.specs import TargetSpec

SMOOTH = "bicubicsmooth"
MOST_DATES, MOST_EDGE = 12, 768  # coarse cells: the middle of a larger raster is compared
LEAST_EDGE = 10  # cells that must be left when it is averaged once more: sharpen learns from no fewer
_PHASE = "Reading the coarse raster"


@dataclass(frozen=True)
class KnownField:
    """A field that methods are measured by.

    Attributes:
        values: (dates, rows, columns), NaN where there is none.
        grid: its cells.
        dates: of its bands.
        spec: what it holds.
        cropped: whether it is a part of the raster.
    """

    values: Tensor
    grid: GeoBox
    dates: tuple[When | None, ...]
    spec: TargetSpec
    cropped: bool = False

    @property
    def quantity(self) -> str:
        """How requests call its kind."""
        return "nonnegative" if self.spec.nonnegative else "signed"

    @property
    def area(self) -> Tensor | None:
        """Relative area of each row's cells, (rows,); None: all the same."""
        area = relative_area(self.grid)
        return None if area is None else torch.from_numpy(area)

    def write(self, path: Path) -> None:
        """Write it as a raster with dated bands, which methods can take as their target."""
        write_bands(path, self.values, self.grid, self.dates, self.spec.units)

    def averaged(self, factor: int) -> tuple[KnownField, KnownField]:
        """Return the field on cells `factor` times as large, and the part of it that they cover."""
        rows, columns = (n // factor * factor for n in self.grid.shape)
        part = replace(
            self, values=self.values[:, :rows, :columns], grid=window(self.grid, 0, 0, rows, columns)
        )
        area = part.area if self.spec.by_area else None
        weights = None if area is None else area.expand(len(self.dates), -1)
        larger = self.grid.affine * self.grid.affine.scale(factor)
        grid = GeoBox((rows // factor, columns // factor), larger, self.grid.crs)
        return replace(part, values=aggregate(part.values, factor, weights), grid=grid), part


def read_field(request: CompareRequest, feedback: Feedback) -> KnownField:
    """Read the target on its own cells: of many dates an even sample, of a large raster its middle.

    Raises:
        InputError: it cannot be used.
    """
    asked = SuperResolveRequest(SMOOTH, request.target, "", factor=2, quantity=request.quantity)
    feedback.progress(0.0, _PHASE)
    choice, target = choose(asked, feedback.check_cancelled)
    with closing(target):
        grids = plan(target, 2, None)
        inputs = InputRasters(target, choice.target, (), {}, {}, grids)
        every = request.date is None and request.target.band is None
        wanted = _sampled(inputs.wanted_dates(request.date, every))
        grid = _middle(grids.coarse)
        fields = []
        for when in wanted:
            feedback.check_cancelled()
            fields.append(inputs.coarse_field(grid, when))
    values = torch.stack(fields)
    if not bool(torch.isfinite(values).any()):
        raise InputError(f"target: {request.target.path} holds no valid value.")
    if choice.target.nonnegative:
        values = values.clamp(min=0)  # negatives of round-off, else it would have been refused
    return KnownField(values, grid, tuple(wanted), choice.target, grid.shape != grids.coarse.shape)


def level_up(shape: Sequence[int], factor: int) -> int:
    """Return the largest factor up to one asked for by which a field can be averaged; 1: by none."""
    return max((k for k in range(2, factor + 1) if min(shape) // k >= LEAST_EDGE), default=1)


def write_bands(
    path: Path,
    values: Tensor,
    grid: GeoBox,
    dates: Sequence[When | None],
    units: str,
) -> None:
    """Write (bands, rows, columns) as a raster."""
    bands, rows, columns = values.shape
    tags = [date_tags(when) for when in dates]
    with RasterWriter(
        path, columns, rows, grid.affine, crs_wkt(grid), bands, units=units, band_tags=tags
    ) as file:
        file.write(values.numpy().astype(np.float32), 0, 0)


def _sampled(wanted: Sequence[When | None]) -> list[When | None]:
    if len(wanted) <= MOST_DATES:
        return list(wanted)
    return [wanted[int(i)] for i in np.linspace(0, len(wanted) - 1, MOST_DATES).round()]


def _middle(grid: GeoBox) -> GeoBox:
    rows, columns = (min(n, MOST_EDGE) for n in grid.shape)
    return window(grid, (grid.shape[0] - rows) // 2, (grid.shape[1] - columns) // 2, rows, columns)
