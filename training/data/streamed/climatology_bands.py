"""The bands of a climatology: the truth of each training date, or, of many dates, means by month of the year.

All that is made of a climatology looks at its bands together. So with thousands of dates they would be all of
the truth, for each window anew; and from some two dozen on, bands count by their distance in months alone.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import torch

from training.data.archive import Archive
from training.data.lazy import Array, LazyArray
from training.data.masked_truth import mask_truth
from training.data.streamed.field_file import FieldFile, FieldOnDisk

MOST_DATES = 120  # that are a band each: ten years of months
IN_MEMORY = 2**28  # bytes of means; more of them lie in a file
_KEPT = 2  # series of means


@dataclass(frozen=True)
class ClimatologyBands:
    """The bands of a climatology.

    Attributes:
        months: of each band, 1 to 12.
        hours: of the day, of each band; None: it has none.
        dates: of each band, as the engine reads them.
        fields: (h·k, w·k) of each band, NaN where its truth is kept from training.
    """

    months: tuple[int, ...]
    hours: tuple[float | None, ...]
    dates: tuple[str, ...]
    fields: Sequence[Array]


def climatology_bands(
    archive: Archive, times: tuple[int, ...], cells: np.ndarray | None, by_month: bool
) -> ClimatologyBands:
    """Return the bands that the truth of some times makes.

    Args:
        archive: the data.
        times: whose truth it is.
        cells: (h, w) booleans, coarse cells whose truth may be seen; None: all.
        by_month: one for each month of the year, and hour of the day, that the times have, the mean over the
            dates with a truth; else one for each time.
    """
    if not by_month:
        known = mask_truth(archive, cells).fine
        return ClimatologyBands(
            tuple(int(archive.months[time]) for time in times),
            tuple(hour_of(archive, time) for time in times),
            tuple(archive.dates[time] for time in times),
            _OfTimes(known, times),
        )
    return _MEANS.get(archive, times, cells)


def band_times(archive: Archive, times: Sequence[int]) -> dict[tuple[int, float | None], list[int]]:
    """Return the times of each month of the year and hour of the day that they have, in order."""
    groups: dict[tuple[int, float | None], list[int]] = {}
    for time in times:
        groups.setdefault((int(archive.months[time]), hour_of(archive, time)), []).append(time)
    return {
        key: groups[key] for key in sorted(groups, key=lambda key: (key[0], -1 if key[1] is None else key[1]))
    }


def hour_of(archive: Archive, time: int) -> float | None:
    """Return a time's hour of the day, None where it has none."""
    hour = np.nan if archive.hours is None else archive.hours[time]
    return None if np.isnan(hour) else float(hour)


def _clock(hour: float | None) -> str:
    return "" if hour is None else f"T{int(hour):02d}:{round(hour % 1 * 60):02d}"


class _OfTimes(Sequence[Array]):
    """The fields of some times, looked up one by one."""

    def __init__(self, known: Array, times: tuple[int, ...]) -> None:
        self._known, self._times = known, times

    def __len__(self) -> int:
        return len(self._times)

    def __getitem__(self, band: Any) -> Any:
        return self._known[self._times[band]]


class _Means:
    """Means by month, made once for the same truth and times: the last ones that were asked for."""

    def __init__(self) -> None:
        self._made: OrderedDict[Any, tuple[weakref.ref[Any], ClimatologyBands]] = OrderedDict()
        self._turn = Lock()

    def get(self, archive: Archive, times: tuple[int, ...], cells: np.ndarray | None) -> ClimatologyBands:
        shown = None if cells is None else np.packbits(cells).tobytes()
        key = id(archive.fine), times, shown
        with self._turn:
            held = self._made.get(key)
            if held is None or held[0]() is not archive.fine:  # another array at the same place in memory
                held = weakref.ref(archive.fine), _means(archive, times, cells)
                self._made[key] = held
            self._made.move_to_end(key)
            for old in [k for k, (truth, _) in self._made.items() if truth() is None]:
                del self._made[old]
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
            return held[1]


def _means(archive: Archive, times: tuple[int, ...], cells: np.ndarray | None) -> ClimatologyBands:
    known, shape = mask_truth(archive, cells).fine, archive.fine.shape[1:]
    groups = band_times(archive, times)
    in_memory = len(groups) * int(np.prod(shape)) * 4 <= IN_MEMORY
    file, fields = FieldFile(), list[Array]()
    for group in groups.values():
        total, count = np.zeros(shape), np.zeros(shape, np.int32)
        for time in group:
            values = np.asarray(known[time])
            there = np.isfinite(values)
            np.add(total, values, out=total, where=there)
            count += there
        mean = np.full(shape, np.nan, np.float32)
        np.divide(total, count, out=mean, where=count > 0, casting="unsafe")
        fields.append(mean if in_memory else LazyArray(_BandOnDisk(file.put(torch.from_numpy(mean)))))
    return ClimatologyBands(
        tuple(month for month, _ in groups),
        tuple(hour for _, hour in groups),
        tuple(f"--{month:02d}{_clock(hour)}" for month, hour in groups),
        fields,
    )


class _BandOnDisk:
    """A field in a file, as a `LazyArray` reads it."""

    def __init__(self, field: FieldOnDisk) -> None:
        self._field = field
        self.shape, self.dtype = field.shape, field.dtype

    def __getitem__(self, key: tuple[Any, ...]) -> np.ndarray:
        rows, columns = key
        if not isinstance(rows, slice):
            return self._field.rows(rows, rows + 1).numpy()[0, columns]
        first, last, _ = rows.indices(self.shape[0])
        return self._field.rows(first, last).numpy()[:, columns]


_MEANS = _Means()
