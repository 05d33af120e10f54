"""Cut patches from an archive: any window, with its halo, round the globe where the archive goes round."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import torch
from affine import Affine
from odc.geo.geobox import GeoBox
from torch import Tensor

from engine.dates import cyclic_months
from engine.fields.domain import within
from engine.fields.patch import Patch
from training.data.archive import Archive
from training.data.lazy import Array
from training.data.streamed.climatology_bands import ClimatologyBands, band_times, climatology_bands, hour_of
from training.data.streamed.window_chances import WindowChances
from training.schema.config import SamplingSection


@dataclass(frozen=True)
class Window:
    """One sample: a time and the upper left coarse cell; columns may go past the date line."""

    time: int
    row: int
    column: int
    withheld: frozenset[int] = frozenset()  # months whose climatology the sample must not see
    flip_horizontal: bool = False
    flip_vertical: bool = False
    gain: float = 1.0  # the target's fields are multiplied by it: rain as it falls elsewhere


@dataclass(frozen=True)
class View:
    """What of an archive a model may see: its sources, and the times that make its climatology."""

    sources: tuple[str, ...]
    climatology_times: tuple[int, ...] = ()
    climatology_columns: tuple[int, int] | None = None  # nothing beyond these coarse columns
    # (h, w) booleans: coarse cells whose truth the climatology may be made of; None: all
    climatology_cells: np.ndarray | None = field(default=None, repr=False, compare=False)
    climatology_by_month: bool = False  # means by month of the year in place of a band for each time
    # (h·k, w·k) booleans: the fine cells that count (see `training.data.domain`); None: all
    domain: np.ndarray | None = field(default=None, repr=False, compare=False)
    # time → block of training dates, of those that the base's regression must not know to predict it
    folds: Mapping[int, int] = field(default_factory=dict, repr=False, compare=False)

    def without(self, names: Collection[str]) -> View:
        """Return the view with some sources withheld."""
        kept = tuple(name for name in self.sources if name not in names)
        return replace(self, sources=kept)

    def climatology_bands(self, archive: Archive) -> ClimatologyBands:
        """Return the bands of the climatology that it may see."""
        times, cells = self.climatology_times, self.climatology_cells
        return climatology_bands(archive, times, cells, self.climatology_by_month)

    def band_count(self, archive: Archive) -> int:
        """Return how many bands the climatology has that it may see."""
        times = self.climatology_times
        return len(band_times(archive, times) if self.climatology_by_month else times)


def withheld_block(month: int, length: int, offset: int) -> frozenset[int]:
    """Return a cyclic block of `length` months that holds `month` at position `offset`."""
    return frozenset((month - 1 - offset + i) % 12 + 1 for i in range(length))


def cut(
    archive: Archive, windows: Sequence[Window], size: tuple[int, int], halo: int, view: View
) -> tuple[Patch, Tensor]:
    """Cut a batch of windows of one size, in coarse cells.

    Returns:
        The patch (see `engine.fields.patch.Patch`) and the truth, (B, h·k, w·k), without halo, NaN outside
        the view's domain.
    """
    k = archive.factor
    coarse = [w.gain * _cut(archive, w, archive.coarse[w.time], size, halo, 1) for w in windows]
    patch = Patch(k, halo, _stack(coarse))
    truth = _stack([w.gain * _cut(archive, w, archive.fine[w.time], size, 0, k) for w in windows])
    for name in view.sources:
        source = archive.sources[name]
        if source.values is None:
            continue  # the climatology, below
        scale = k if source.grid == "fine" else 1
        fields = []
        for w in windows:
            values = source.values[w.time if source.values.shape[0] > 1 else 0]
            piece = _cut(archive, w, values, size, halo, scale)
            fields.append(source.traits.turn(piece, w.flip_horizontal, w.flip_vertical))
        (patch.fine if source.grid == "fine" else patch.coarse)[name] = _stack(fields)
    if any(archive.sources[name].traits.of_target for name in view.sources):
        patch.climatology = _climatology(archive, windows, size, halo, view)
        patch.climatology_distance = torch.tensor([_distances(archive, w, view) for w in windows])
    patch.cell_size = _stack([_rows(archive.cell_size, w, size, halo, k) for w in windows])
    if archive.area is not None:
        patch.area = _stack([_rows(archive.area[None], w, size, halo, k)[0] for w in windows])
    patch.day_of_year = torch.tensor([float(archive.days[w.time]) for w in windows])
    patch.origin = torch.tensor([(w.row, w.column) for w in windows], dtype=torch.int64)
    patch.lattice = _lattice(archive.transform, archive.crs)
    if view.folds:
        patch.fold = torch.tensor([view.folds.get(w.time, -1) for w in windows])
    if view.domain is not None:
        # Beyond the archive nothing is known, and nothing is made.
        inside = [_cut(archive, w, view.domain, size, halo, k) != 0 for w in windows]
        patch.domain = torch.from_numpy(np.stack(inside))
    return patch, within(truth, patch, halo)


@lru_cache(maxsize=64)
def _lattice(transform: Affine, crs: str) -> GeoBox:
    """Return the first coarse cell of an archive."""
    return GeoBox((1, 1), transform, crs)


def _climatology(
    archive: Archive, windows: Sequence[Window], size: tuple[int, int], halo: int, view: View
) -> Tensor:
    """Return the bands of the climatology, (B, M, H·k, W·k): written once, for they are many."""
    k, fields = archive.factor, view.climatology_bands(archive).fields
    edges = ((n + 2 * halo) * k for n in size)
    bands = np.empty((len(windows), len(fields), *edges), dtype=np.float32)
    for number, w in enumerate(windows):
        for band, values in zip(bands[number], fields):
            band[:] = _cut(archive, w, values, size, halo, k, view.climatology_columns)
        if w.gain != 1:
            bands[number] *= w.gain
    return torch.from_numpy(bands)


def _distances(archive: Archive, window: Window, view: View) -> list[float]:
    """Months from each climatology band to the sample, infinite for those withheld, or of other hours."""
    month, own = int(archive.months[window.time]), hour_of(archive, window.time)
    bands, distances = view.climatology_bands(archive), []
    for other, hour in zip(bands.months, bands.hours):
        apart = own is not None and hour is not None and hour != own
        gone = apart or other in window.withheld
        distances.append(float("inf") if gone else cyclic_months(month, other))
    return distances


def _cut(
    archive: Archive,
    window: Window,
    values: Array,
    size: tuple[int, int],
    halo: int,
    scale: int,
    only: tuple[int, int] | None = None,
) -> np.ndarray:
    """Cut (..., h·scale, w·scale) with the halo; NaN beyond the archive, round it where it wraps.

    `only` gives the first and last + 1 coarse column that may be seen.
    """
    height, width = values.shape[-2:]
    top, bottom = (window.row - halo) * scale, (window.row + size[0] + halo) * scale
    left, right = (window.column - halo) * scale, (window.column + size[1] + halo) * scale
    first, last = (0, width) if only is None else (only[0] * scale, only[1] * scale)
    if top >= 0 and bottom <= height and left >= first and right <= last:
        piece = np.asarray(values[..., top:bottom, left:right])
    else:
        kind = np.result_type(values.dtype, np.float32)
        piece = np.full((*values.shape[:-2], bottom - top, right - left), np.nan, kind)
        rows = slice(max(top, 0), max(min(bottom, height), 0))
        turns = range(left // width, (right - 1) // width + 1) if archive.wrap else (0,)
        for turn in turns:  # round the globe
            start, stop = max(left, first + turn * width), min(right, last + turn * width)
            if start < stop and rows.start < rows.stop:
                inside = np.s_[..., rows.start - top : rows.stop - top, start - left : stop - left]
                piece[inside] = values[..., rows, start - turn * width : stop - turn * width]
    if window.flip_horizontal:
        piece = piece[..., ::-1]
    if window.flip_vertical:
        piece = piece[..., ::-1, :]
    return piece


def _rows(values: np.ndarray, window: Window, size: tuple[int, int], halo: int, k: int) -> np.ndarray:
    """Cut (C, rows) along the rows; beyond the archive, its edge goes on."""
    rows = np.arange((window.row - halo) * k, (window.row + size[0] + halo) * k)
    piece = values[:, np.clip(rows, 0, values.shape[1] - 1)]
    return piece[:, ::-1] if window.flip_vertical else piece


def _stack(pieces: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(pieces).astype(np.float32, copy=False))


class PatchSampler:
    """Draws random training patches; what it draws depends on the generator handed in, on nothing else.

    Windows lie wholly inside the columns given (their halo may look beyond, at inputs, never at
    truth). A share `wet_bias` of them is drawn in proportion to their coarse mean. Where `cells`,
    (h, w) booleans, say whose truth is known, windows are drawn in proportion to their share of these.
    Windows without any truth are not drawn (see `training.data.known_truth`).
    """

    def __init__(
        self,
        archive: Archive,
        times: Sequence[int],
        columns: tuple[int, int],
        halo: int,
        sampling: SamplingSection,
        cells: np.ndarray | None = None,
    ) -> None:
        self.archive, self.halo, self.sampling = archive, halo, sampling
        self.times = list(times)
        height, width = archive.shape
        self.size = (min(sampling.size, height), min(sampling.size, columns[1] - columns[0]))
        whole_globe = archive.wrap and columns == (0, width)
        self.first = columns[0]
        starts = width if whole_globe else columns[1] - columns[0] - self.size[1] + 1
        self.chances = WindowChances(
            archive, self.times, self.size, (self.first, starts), sampling.wet_bias, cells
        )

    def windows(self, rng: np.random.Generator) -> list[Window]:
        """Draw one batch of windows."""
        windows = []
        for _ in range(self.sampling.batch):
            time, row, column = self.chances.draw(rng.random())
            when = self.times[time]
            length = self.sampling.withheld_months
            block = withheld_block(int(self.archive.months[when]), length, int(rng.integers(length)))
            flips = rng.random(2) < 0.5
            jitter = self.sampling.jitter
            windows.append(
                Window(
                    when,
                    row,
                    self.first + column,
                    block,
                    flip_horizontal=bool(self.sampling.flip_horizontal and flips[0]),
                    flip_vertical=bool(self.sampling.flip_vertical and flips[1]),
                    gain=float(np.exp(jitter * rng.standard_normal())) if jitter else 1.0,
                )
            )
        return windows

    def batch(self, rng: np.random.Generator, view: View) -> tuple[Patch, Tensor]:
        """Draw one batch; see `cut`."""
        return cut(self.archive, self.windows(rng), self.size, self.halo, view)
