"""What a raster gives to a run, from a few of its cells, before the run begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from engine.raster.footprint import cells_under
from engine.raster.reader import Raster

_POINTS = 16  # along each axis of the grid
_SMALL = 2**20  # cells of a raster that is read as a whole rather than cell by cell
_HALF = 0.5  # covered share up to which there is a warning
_STRANGE = 0.05  # share outside the range of training from which there is one


@dataclass(frozen=True)
class EarlyLook:
    """Shares, 0 to 1, over a regular sample of a grid's cells."""

    covered: float  # of the grid's cells
    outside: float = 0.0  # of the covered ones whose value is outside the range seen in training


def sampled_values(raster: Raster, cells: int, classes: bool = False) -> NDArray[np.float32]:
    """Return the valid values, (N,), of the named band, else the first, in blocks evenly over the raster.

    Args:
        raster: open.
        cells: of the blocks together, about.
        classes: the values are class numbers.
    """
    band = raster.ref.band or 1
    parts = [raster.values([band], part, classes=classes).ravel() for part in raster.sample_windows(cells)]
    values: NDArray[np.float32] = np.concatenate(parts)
    return values[np.isfinite(values)]


def early_coverage(raster: Raster, grid: GeoBox, band: int = 1) -> float:
    """Return about which share of a grid's cells a band covers with valid values, 0 to 1."""
    return early_look(raster, grid, band).covered


def early_look(raster: Raster, grid: GeoBox, band: int = 1, span: Sequence[float] | None = None) -> EarlyLook:
    """Look at the raster's cells under a sample of a grid's, at a cost that is the same for every size.

    Args:
        raster: open.
        grid: anywhere on the globe.
        band: 1-based.
        span: the range seen in training.
    """
    rows, columns = (np.unique(((np.arange(_POINTS) + 0.5) * n / _POINTS).astype(int)) for n in grid.shape)
    across, down = np.meshgrid(columns + 0.5, rows + 0.5)
    y, x = cells_under(raster.georeference, grid, across.ravel(), down.ravel())
    inside = (y >= 0) & (y < raster.height) & (x >= 0) & (x < raster.width)
    places = list(zip(y[inside].astype(int).tolist(), x[inside].astype(int).tolist(), strict=True))
    if raster.width * raster.height <= _SMALL and places:
        whole = raster.values([band], Window(0, 0, raster.width, raster.height))[0]
        values = np.array([whole[place] for place in places])
    else:
        read = {(r, c): raster.values([band], Window(c, r, 1, 1))[0, 0, 0] for r, c in sorted(set(places))}
        values = np.array([read[place] for place in places])
    values = values[np.isfinite(values)]
    covered = values.size / max(y.size, 1)
    if span is None or not values.size:
        return EarlyLook(covered)
    slack = 1e-6 * max(abs(span[0]), abs(span[1]), 1e-9)
    return EarlyLook(covered, float(((values < span[0] - slack) | (values > span[1] + slack)).mean()))


def doubts(label: str, look: EarlyLook, span: Sequence[float] | None, units: str = "") -> list[str]:
    """Return what of a look should be known before the run."""
    lines = []
    if look.covered <= _HALF:
        share = f"about {look.covered:.0%}" if look.covered >= 0.01 else "next to nothing (less than 1%)"
        lines.append(f"{label} covers {share} of the output: check its extent, CRS, band and nodata.")
    if span is not None and look.outside > _STRANGE:
        unit = f" {units}" if units else ""
        lines.append(
            f"{label}: about {look.outside:.0%} of its cells are outside the range seen in training "
            f"({span[0]:g} to {span[1]:g}{unit}): check its units and season."
        )
    return lines
