"""Which fine cells count: learned from where there is truth, or told by a raster or a source.

Cells that never, or hardly ever, have a truth (sea under a product of the land, what lies beyond a
catchment) are outside of the domain: what would be made there no one could check, and it would have a part in
coarse means.
See `engine.fields.domain` for what becomes of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox

from engine.errors import InputError
from engine.raster.domain_mask import domain_mask
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from training.data.archive import Archive
from training.data.gaps import without_gaps
from training.data.region import Region
from training.schema.config import Config

LEAST = 0.05  # of the dates on which the best known cell has a truth
MOST_DATES = 60  # on which it is looked whether coarse values are means of the truth
MEANS = 0.9  # share of them that must be
ALIKE = 0.98  # share of known cells in which a source that tells of unknown ones has data where truth is


@dataclass(frozen=True, eq=False)
class Domain:
    """The fine cells that count.

    Attributes:
        cells: (h·k, w·k) booleans.
        told: which they are, in words.
        source: whose data say so, "" where no source does.
    """

    cells: np.ndarray
    told: str
    source: str = ""


def domain_of(config: Config, archive: Archive, train: Region) -> Domain | None:
    """Return the domain that a configuration asks for, None where every cell counts.

    Raises:
        InputError: a raster or a source that cannot tell it.
    """
    if config.domain == "all" or config.cascade is not None:
        return None
    if config.domain == "auto":
        names = [source.name for source in config.sources]
        return _learned(archive, train, names, config.bias is not None)
    if config.domain in [source.name for source in config.sources]:
        return _of_source(archive, config.domain)
    return _of_raster(archive, config.domain)


def _learned(archive: Archive, train: Region, sources: Sequence[str], corrected: bool) -> Domain | None:
    """Return the cells with a truth on `LEAST` as many training dates as the cell that has it most often.

    All cells where coarse values are not the means of these: a product of another origin speaks of the sea
    too, unless it is corrected to the truth's means. Where training sees no truth, all cells count, or those
    in which a source has data that has them in the rest where truth is.
    """
    shown = np.zeros(archive.shape, bool)
    shown[:, train.columns[0] : train.columns[1]] = True
    if train.cells is not None:
        shown &= train.cells
    shown = shown.repeat(archive.factor, 0).repeat(archive.factor, 1)
    counts = np.zeros(shown.shape, np.int32)
    for time in train.times:
        counts += np.isfinite(np.asarray(archive.fine[time]))
        if counts[shown].min(initial=len(train.times)) >= LEAST * len(train.times):
            return None  # whatever the other dates have
    most = int(counts[shown].max(initial=0))
    inside = counts >= LEAST * most
    if not most or inside[shown].all() or not (corrected or _means_of_truth(archive, train, shown)):
        return None
    told = f"truth on at least {LEAST:.0%} of the training dates"
    if not shown.all():
        source = _alike(archive, sources, inside, shown)
        there = np.ones_like(inside) if source is None else _has_data(archive, source)
        inside = np.where(shown, inside, there)
        told += f"; where none was to be seen, {'all' if source is None else f'those with {source}'}"
    return Domain(inside, _in_words(inside, told))


def _means_of_truth(archive: Archive, train: Region, shown: np.ndarray) -> bool:
    """Return whether coarse values with truth in a part of their cells are the means of that part."""
    k, (height, width) = archive.factor, archive.shape
    area = archive.area if archive.weights == "area" else None
    means = parts = 0
    for time in train.times[:: -(-len(train.times) // MOST_DATES)]:
        truth, coarse = np.asarray(archive.fine[time]), np.asarray(archive.coarse[time])
        known = np.isfinite(np.where(shown, truth, np.nan)).reshape(height, k, width, k)
        part = known.any((1, 3)) & ~known.all((1, 3)) & np.isfinite(coarse)
        alone = ~without_gaps(truth, coarse, area).reshape(height, k, width, k).all((1, 3))
        means, parts = means + int((part & alone).sum()), parts + int(part.sum())
    return means > MEANS * parts


def _alike(archive: Archive, sources: Sequence[str], inside: np.ndarray, shown: np.ndarray) -> str | None:
    """Return the source that has data most nearly where there is truth, None where none has `ALIKE`."""
    shares = {
        name: float((_has_data(archive, name) == inside)[shown].mean())
        for name in sources
        if _can_tell(archive, name)
    }
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best is not None and shares[best] >= ALIKE else None


def _of_source(archive: Archive, name: str) -> Domain | None:
    if not _can_tell(archive, name):
        raise InputError(
            f"domain: {name} cannot tell which fine cells count: choose a fine source that does not change "
            f"with time, auto or all."
        )
    cells = _has_data(archive, name)
    if not cells.any():
        raise InputError(f"domain: {name} has no data anywhere, so that no fine cell would count.")
    return None if cells.all() else Domain(cells, _in_words(cells, f"those with {name}"), name)


def _of_raster(archive: Archive, path: str) -> Domain | None:
    grid = GeoBox(
        (archive.shape[0] * archive.factor, archive.shape[1] * archive.factor),
        archive.fine_transform,
        archive.crs,
    )
    raster = Raster(RasterRef(path), "domain")
    try:
        cells = domain_mask(raster, grid)
    finally:
        raster.close()
    if not cells.any():
        raise InputError(
            f"domain: {path} marks no fine cell of the data set {archive.name}: check its extent and CRS; "
            f"cells that count must hold a number other than 0."
        )
    return None if cells.all() else Domain(cells, _in_words(cells, f"those that {Path(path).name} marks"))


def _can_tell(archive: Archive, name: str) -> bool:
    source = archive.sources[name]
    return source.grid == "fine" and not source.dynamic and source.values is not None


def _has_data(archive: Archive, name: str) -> np.ndarray:
    return np.isfinite(np.asarray(archive.sources[name].array[0])).all(0)


def _in_words(cells: np.ndarray, which: str) -> str:
    return (
        f"Domain: {cells.mean():.1%} of the fine cells count ({which}); the others get no value. To count "
        f"every cell, write domain: all."
    )
