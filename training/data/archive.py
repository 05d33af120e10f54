"""An aligned archive in memory: everything a model is trained on, cut to one pair of grids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from engine.errors import InputError
from engine.raster.longitudes import circle
from engine.source_kinds import OfKind
from training.data.lazy import Array


@dataclass(frozen=True)
class ArchiveSource(OfKind):
    """One source on the coarse or the fine grid, float32, NaN where it has no data.

    `values` is (T, C, ·, ·), with T = 1 when static and C = 2 (sine, cosine) for angles or one
    channel for each class; None for a climatology, which is made from the target's training times.
    """

    name: str
    units: str
    grid: str  # coarse, fine
    title: str
    kind: str = "continuous"  # of `engine.source_kinds`
    dynamic: bool = False
    classes: tuple[int, ...] = ()
    values: Array | None = None

    @property
    def array(self) -> Array:
        """The values; raises ValueError where there are none, as of a climatology."""
        if self.values is None:
            raise ValueError(f"the source {self.name} has no values of its own")
        return self.values


@dataclass(frozen=True)
class NativeRaster:
    """A source as its publisher gives it, (H, W), before it is cut to the archive's grids."""

    name: str
    values: np.ndarray
    transform: Affine
    units: str
    date: str | None = None


@dataclass(frozen=True)
class Archive:
    """T times of a target on a coarse grid of h × w cells and on the fine one of h·k × w·k."""

    name: str
    title: str
    citation: str
    simulated: bool
    factor: int  # k
    target_name: str
    target_title: str
    units: str
    weights: str  # how the coarse product was made: count, area
    months: np.ndarray  # (T,), 1..12
    days: np.ndarray  # (T,), day of the year
    dates: tuple[str, ...]  # (T,), as the engine reads them: --MM, YYYY-MM, YYYY-MM-DD, …THH:MM
    period: str  # the times covered, in words
    coarse: np.ndarray  # (T, h, w), physical units
    fine: Array  # (T, h·k, w·k)
    transform: Affine  # of the coarse grid
    crs: str
    wrap: bool  # whether the columns go round the globe
    cell_size: np.ndarray  # (2, h·k): height and width of each fine row's cells, metres
    hours: np.ndarray | None = None  # (T,), hour of the day, NaN for days; None: no date has one
    area: np.ndarray | None = None  # (h·k,), relative area, None when cells count equally
    sources: dict[str, ArchiveSource] = field(default_factory=dict)
    level_up: bool = False  # no finer truth is known: `fine` is a coarse field, `coarse` its means
    # (time) → rasters of that time in their own grids; None: only the aligned ones exist
    native: Callable[[int], list[NativeRaster]] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Coarse rows and columns."""
        return self.coarse.shape[-2], self.coarse.shape[-1]

    @property
    def has_years(self) -> bool:
        """Whether each of its dates has a year, and not the month alone."""
        return not any(date.startswith("-") for date in self.dates)

    @property
    def fine_transform(self) -> Affine:
        """Transform of the fine grid."""
        return self.transform * Affine.scale(1 / self.factor)

    def times_of(self, months: tuple[int, ...]) -> list[int]:
        """Return the indices of the times in these months."""
        return [i for i, month in enumerate(self.months) if int(month) in months]

    def columns_of(self, longitudes: tuple[float, float] | None) -> tuple[int, int]:
        """Return first and last + 1 coarse column whose centre lies between two x coordinates.

        Longitudes may be given at another turn of the globe than the archive's.

        Raises:
            InputError: the archive's axis begins between them, so the columns do not lie together.
        """
        width = self.shape[1]
        if longitudes is None:
            return 0, width
        centres = self.transform.c + (np.arange(width) + 0.5) * self.transform.a
        first, last = longitudes
        turn = circle(CRS.from_user_input(self.crs))
        if turn is not None and last - first < turn:
            centres = first + np.mod(centres - first, turn)
        inside = np.flatnonzero((centres >= first) & (centres < last))
        if inside.size and inside[-1] - inside[0] >= inside.size:
            raise InputError(
                f"The longitudes {first:g} to {last:g} lie at both ends of the data set, whose axis begins "
                f"between them: choose others, or prepare it with a grid that begins elsewhere."
            )
        return (int(inside[0]), int(inside[-1]) + 1) if inside.size else (0, 0)


def crop(archive: Archive, bounds: Sequence[float]) -> Archive:
    """Return the part within xmin, ymin, xmax, ymax, which must lie on edges of coarse cells.

    Raises:
        InputError: the bounds are no such part of the archive.
    """
    height, width = archive.shape
    grid = "" if len(bounds) == 4 else "four numbers, "
    turn = circle(CRS.from_user_input(archive.crs))
    if len(bounds) == 4:
        if turn is not None:  # longitudes of another turn of the globe than the archive's
            own = archive.transform.c + archive.transform.a * width / 2
            turns = round((own - (bounds[0] + bounds[2]) / 2) / turn)
            bounds = [bounds[0] + turns * turn, bounds[1], bounds[2] + turns * turn, bounds[3]]
        left, top = ~archive.transform * (bounds[0], bounds[3])
        right, bottom = ~archive.transform * (bounds[2], bounds[1])
        edges = [round(v) for v in (left, top, right, bottom)]
        near = max(abs(a - b) for a, b in zip((left, top, right, bottom), edges, strict=True)) < 1e-6
        if near and 0 <= edges[0] < edges[2] <= width and 0 <= edges[1] < edges[3] <= height:
            return _cropped(archive, *edges)
    raise InputError(
        f"data.options.region: {list(bounds)} must be {grid}xmin, ymin, xmax, ymax on edges of coarse cells "
        f"inside the data set."
    )


def _cropped(archive: Archive, left: int, top: int, right: int, bottom: int) -> Archive:
    k = archive.factor

    def part(values: Any, scale: int) -> Any:
        return values[..., top * scale : bottom * scale, left * scale : right * scale]

    sources = {
        name: source
        if source.values is None
        else replace(source, values=part(source.values, k if source.grid == "fine" else 1))
        for name, source in archive.sources.items()
    }
    return replace(
        archive,
        coarse=part(archive.coarse, 1),
        fine=part(archive.fine, k),
        transform=archive.transform * Affine.translation(left, top),
        wrap=archive.wrap and right - left == archive.shape[1],
        cell_size=archive.cell_size[:, top * k : bottom * k],
        area=None if archive.area is None else archive.area[top * k : bottom * k],
        sources=sources,
    )


def block_mean(values: np.ndarray, factor: int) -> np.ndarray:
    """Return the plain mean of k × k blocks of (..., H, W), summed in float64."""
    *lead, height, width = values.shape
    blocks = values.reshape(*lead, height // factor, factor, width // factor, factor)
    return blocks.mean((-3, -1), dtype=np.float64).astype(np.float32)


def overlap_weights(edges: np.ndarray, new_edges: np.ndarray) -> np.ndarray:
    """Return (M, N) weights that average N cells into M by their overlap along one axis.

    `edges` (N + 1) and `new_edges` (M + 1) rise or fall. A new cell beyond the old ones has zeros.
    """
    low = np.minimum(new_edges[:-1], new_edges[1:])[:, None]
    high = np.maximum(new_edges[:-1], new_edges[1:])[:, None]
    old_low = np.minimum(edges[:-1], edges[1:])[None]
    old_high = np.maximum(edges[:-1], edges[1:])[None]
    overlap = np.clip(np.minimum(high, old_high) - np.maximum(low, old_low), 0, None)
    total = overlap.sum(1, keepdims=True)
    return np.divide(overlap, total, out=np.zeros_like(overlap), where=total > 0)
