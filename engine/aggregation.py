"""Steps of a date, such as the hours of a day, made one field: their mean or their sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.dates import When, match
from engine.errors import InputError
from engine.parts_of_month import parts_of

PARTS, WAYS = ("day", "month"), ("mean", "sum")
CHOICES = tuple(f"{part}:{way}" for part in PARTS for way in WAYS)
_FINER = {"day": ("hour", "minute"), "month": ("day", "hour", "minute")}
_MINUTE, _DAY = 60, 1440  # s, min


@dataclass(frozen=True)
class Aggregation:
    """What the steps of a date become.

    A mean is that of the steps that are there. A sum needs every step: a cell that lacks one is missing.
    """

    part: str  # day, month
    way: str  # mean, sum

    @classmethod
    def parse(cls, text: str) -> Aggregation:
        """Read day:mean, day:sum, month:mean or month:sum.

        Raises:
            InputError: it is none of these.
        """
        if text not in CHOICES:
            raise InputError(f"aggregate: {text!r} is none of {', '.join(CHOICES)}.")
        return cls(*text.split(":"))

    def __str__(self) -> str:
        return f"{self.part}:{self.way}"


@dataclass(frozen=True)
class DateSteps:
    """The steps of one date."""

    when: When
    indices: tuple[int, ...]  # of the steps, in order of time
    expected: int  # how many there are where none is missing
    days: tuple[int, ...] = ()  # that each step stands for; all 1 where they are alike

    @property
    def whole(self) -> bool:
        """Whether none is missing."""
        return len(self.indices) >= self.expected

    def __str__(self) -> str:
        return f"{self.when}: {len(self.indices)} of {self.expected}"


def steps_by_date(
    dates: Sequence[When | None],
    aggregation: Aggregation,
    label: str,
    further: Sequence[Mapping[str, str]] | None = None,
) -> list[DateSteps]:
    """Gather the steps of each date, dates in order.

    Args:
        dates: of the steps.
        aggregation: to which part.
        label: how sentences call the raster.
        further: what tells steps of one time apart, as of `engine.dates.match`.

    Raises:
        InputError: a step without a date, or with one that is coarser than wanted; two of one time.
    """
    from engine.time_axis import instant  # which needs cftime; the command line must start without

    gathered: dict[When, list[int]] = {}
    for index, when in enumerate(dates):
        if when is None:
            raise InputError(f"{label}: band {index + 1} carries no date, so it cannot be aggregated.")
        if when.precision not in (aggregation.part, *_FINER[aggregation.part]):
            raise InputError(
                f"{label} has a {when.precision} at each step ({when}), which cannot be aggregated to a "
                f"{aggregation.part}."
            )
        gathered.setdefault(when.to(aggregation.part), []).append(index)
    minutes = np.array([instant(when) / _MINUTE if when is not None else np.nan for when in dates])
    groups = []
    for when, indices in sorted(gathered.items()):
        ordered = sorted(indices, key=lambda i: minutes[i])
        for one, two in zip(ordered, ordered[1:]):
            if dates[one] == dates[two]:
                match(dates, dates[one] or when, label, further)
        groups.append(DateSteps(when, tuple(ordered), 0))
    step, parts = _step(minutes, groups), parts_of(dates)
    usual = parts.in_month if aggregation.part == "month" else 0
    return [
        DateSteps(
            g.when,
            g.indices,
            usual or _expected(g.when, step) or len(g.indices),
            tuple(parts.days.get(dates[i] or g.when, 1) for i in g.indices),
        )
        for g in groups
    ]


def _step(minutes: NDArray[np.float64], groups: Sequence[DateSteps]) -> float:
    """Return the usual time from step to step within a date, in minutes; 0 where no date has two."""
    apart = [np.diff(minutes[list(group.indices)]) for group in groups if len(group.indices) > 1]
    return float(np.median(np.concatenate(apart))) if apart else 0.0


def _expected(when: When, step: float) -> int:
    """Return how many steps a date has, 0 where they do not divide days evenly."""
    if step <= 0 or step > _DAY or _DAY % step:
        return 0
    days = 1 if when.day is not None else int(when.days_in_month)
    return days * round(_DAY / step)


def lacking(groups: Sequence[DateSteps], label: str, what: str, most: int = 3) -> str:
    """Say which dates lack steps and `what` becomes of them; "" where all are whole."""
    short = [group for group in groups if not group.whole]
    if not short:
        return ""
    shown = ", ".join(map(str, short[:most])) + (", …" if len(short) > most else "")
    steps = "steps are missing on one date" if len(short) == 1 else f"steps are missing on {len(short)} dates"
    return f"{label}: {steps} ({shown}); {what}."


class Reduction:
    """A running mean or sum of fields, NaN where one is missing.

    Args:
        mean: the mean of the fields, not their sum.
        whole: a cell that is missing in any field is missing.
    """

    def __init__(self, mean: bool, whole: bool) -> None:
        self.mean, self.whole = mean, whole
        self._sum: NDArray[np.float64] | None = None
        self._count: NDArray[np.int32] | None = None
        self._fields = 0

    def add(self, values: NDArray[np.float32], weight: int = 1) -> None:
        """Take in a field; all are of one shape. A mean is weighted."""
        valid = np.isfinite(values)
        if self._sum is None or self._count is None:
            self._sum, self._count = np.zeros(values.shape), np.zeros(values.shape, np.int32)
        np.add(self._sum, values * np.float64(weight), out=self._sum, where=valid)
        self._count += valid * np.int32(weight)
        self._fields += weight

    def result(self) -> NDArray[np.float32]:
        """Return the field of all that were taken in; raises ValueError where there was none."""
        if self._sum is None or self._count is None:
            raise ValueError("there is no field to average")
        needed = self._fields if self.whole else 1
        total = self._sum / np.maximum(self._count, 1) if self.mean else self._sum
        return np.where(self._count >= needed, total, np.nan).astype(np.float32)
