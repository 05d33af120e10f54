"""A raster whose bands are the means or sums of another's over the steps of each date."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from engine import units
from engine.aggregation import Aggregation, DateSteps, Reduction, lacking, steps_by_date
from engine.errors import InputError
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef

_TIMES = r"(?:s|secs?|seconds?|min|minutes?|h|hrs?|hours?|d|days?|mon|months?|yr|years?|a)"
_RATE = re.compile(
    rf"/\s*\d*\s*{_TIMES}\b|\bper\s+{_TIMES}\b|\b{_TIMES}\s*(?:\*\*|\^)?\s*-1\b", re.IGNORECASE
)


class AggregatedRaster(Raster):
    """A raster of one band for each date, made of the bands of that date.

    Amounts that are wanted as a rate (mm as mm/day) are averaged as rates, which gives their sum over the
    date. A sum is of all steps: dates that lack some are not there, but told of in `remarks`.

    Args:
        ref, label, wanted_units: as of `Raster`; the reference names no band.
        aggregation: what to do.

    Raises:
        InputError: as `Raster`; bands that cannot be aggregated, and sums that mean nothing.
    """

    def __init__(self, ref: RasterRef, label: str, wanted_units: str, aggregation: Aggregation) -> None:
        self._dated: list[DateSteps] | None = None
        super().__init__(ref, label, wanted_units)
        self.aggregation = aggregation
        self.remarks: list[str] = []
        try:
            groups = self._dated = self._gather(wanted_units)
        except BaseException:
            self.close()
            raise
        self.dates = [group.when for group in groups]

    def _gather(self, wanted_units: str) -> list[DateSteps]:
        summed = self.aggregation.way == "sum"
        self._mean = not summed or is_rate(wanted_units)
        if summed:
            check_sum(self.units, wanted_units, self.label, self.aggregation.part)
        groups = steps_by_date(self.dates, self.aggregation, self.label)
        whole = [group for group in groups if group.whole]
        if summed and not whole:
            raise InputError(
                f"{lacking(groups, self.label, 'a sum needs every step')[:-1]}: choose "
                f"{self.aggregation.part}:mean, or give whole dates."
            )
        what = "a sum needs every step, so there is none" if summed else "their means are of those there are"
        self.remarks = [line for line in [lacking(groups, self.label, what)] if line]
        return whole if summed else groups

    @property
    def told(self) -> str:
        """What was done, in words."""
        return f"{self.aggregation.way} of each {self.aggregation.part}'s steps"

    @property
    def count(self) -> int:
        """Number of dates."""
        return super().count if self._dated is None else len(self._dated)

    def values(
        self, bands: Sequence[int], window: Window, step: int = 1, classes: bool = False
    ) -> NDArray[np.float32]:
        """Read as `Raster.values` does; a band is a date."""
        fields = []
        for band in bands:
            reduction = Reduction(self._mean, self.aggregation.way == "sum")
            for index in self._steps(band):
                reduction.add(super().values([index + 1], window, step, classes))
            fields.append(reduction.result())
        return np.concatenate(fields)

    def _steps(self, band: int) -> tuple[int, ...]:
        return (band - 1,) if self._dated is None else self._dated[band - 1].indices


def is_rate(unit: str) -> bool:
    """Return whether a unit is one per time, such as mm/day or kg m-2 s-1."""
    return _RATE.search(unit) is not None


def check_sum(unit: str, wanted: str, label: str, part: str) -> None:
    """Refuse to sum what is no amount.

    Raises:
        InputError: a temperature, or a rate where no rate is wanted.
    """
    if units.is_temperature(unit) or (is_rate(unit) and not is_rate(wanted)):
        kind = "a temperature" if units.is_temperature(unit) else "a rate"
        raise InputError(f"{label} is in {unit}, {kind}, whose sum means nothing: choose {part}:mean.")


def open_dated(
    ref: RasterRef, label: str, wanted_units: str, aggregation: Aggregation | None, always: bool = False
) -> Raster:
    """Open a raster, aggregated where that is asked for and its bands are steps of dates.

    Args:
        ref, label, wanted_units: as of `Raster`.
        aggregation: what to do; None: nothing.
        always: bands that are no such steps are refused.

    Raises:
        InputError: as `Raster` and `AggregatedRaster`.
    """
    raster = Raster(ref, label, wanted_units)
    if aggregation is None or ref.band is not None or raster.count == 1:
        return raster
    part = aggregation.part
    if any(raster.dates) and (always or any(w is not None and w != w.to(part) for w in raster.dates)):
        raster.close()
        return AggregatedRaster(ref, label, wanted_units, aggregation)
    return raster
