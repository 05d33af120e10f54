"""A raster whose bands are the means or sums of another's over the steps of each date."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from engine import units
from engine.aggregation import Aggregation, Reduction, lacking, steps_by_date
from engine.errors import InputError
from engine.files.file_facts import Facts
from engine.raster.raster_file import FileBand, RasterFile, go_on
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from engine.raster.running_totals import is_running_total

_TIMES = r"(?:s|secs?|seconds?|min|minutes?|h|hrs?|hours?|d|days?|mon|months?|yr|years?|a)"
_ENERGY = re.compile(r"\b[kM]?(?:J|joules?|Wh)\b", re.IGNORECASE)
_POWER = re.compile(r"\b[kMm]?(?:W|[Ww]atts?)\b|\b[km]?W(?=m-2)")
_RATE = re.compile(
    rf"/\s*\d*\s*{_TIMES}\b|\bper\s+{_TIMES}\b|\b{_TIMES}\s*(?:\*\*|\^)?\s*-1\b", re.IGNORECASE
)


RUNNING = (
    "it grows from step to step, as a total since the start of a day or of a forecast does: if it is one, "
    "its sum means nothing, so take the differences of its steps first"
)


class AggregatedFile(RasterFile):
    """A file's bands, gathered by date: one field for each.

    Args:
        file: open; it is closed with this one.
        aggregation: what the steps of a date become.
        label: how sentences call it.
        wanted_units: that the values are to be converted to. Where they are a rate and the file holds
            amounts, a mean is that of the steps times their number, the amount of the whole date.

    Raises:
        InputError: bands that cannot be aggregated, and sums that mean nothing.
    """

    def __init__(self, file: RasterFile, aggregation: Aggregation, label: str, wanted_units: str) -> None:
        self._file, self._way = file, aggregation.way
        self.check = file.check
        self.georeference, self.variable = file.georeference, file.variable
        self.attributes, self.step = file.attributes, aggregation.part
        self.notes, self.doubts = file.notes, file.doubts
        self.names_numbers, self.bare_numbers = file.names_numbers, file.bare_numbers
        unit = file.bands[0].units
        if aggregation.way == "sum":
            check_sum(unit, wanted_units, label, aggregation.part)
        self._total = is_rate(wanted_units) and not is_rate(unit)
        self._weighted = by_length(unit, aggregation.way)
        further = [band.further for band in file.bands]
        groups = steps_by_date([band.when for band in file.bands], aggregation, label, further)
        totalled = (aggregation.way == "sum" or self._total) and is_amount(unit)
        if totalled and is_running_total(file, [group.indices for group in groups]):
            self.doubts = [*self.doubts, RUNNING]
        whole = [group for group in groups if group.whole]
        summed = aggregation.way == "sum"
        if summed and not whole:
            why = lacking(groups, label, "a sum needs every step")[:-1]
            raise InputError(f"{why}: choose {aggregation.part}:mean, or give whole dates.")
        what = "a sum needs every step, so there is none" if summed else "their means are of those there are"
        self.remarks = [line for line in [lacking(groups, label, what)] if line]
        self._groups = whole if summed else groups
        self.bands = [FileBand(unit, group.when) for group in self._groups]

    def read(self, bands: Sequence[int], window: Window, labels: bool = False) -> NDArray[Any]:
        """Read as `RasterFile.read` does; a band is a date."""
        fields = []
        for band in bands:
            group = self._groups[band - 1]
            reduction = Reduction(self._way == "mean", self._way == "sum")
            for index, days in zip(group.indices, group.days, strict=True):
                self.check()
                reduction.add(self._file.read([index + 1], window, labels), days if self._weighted else 1)
            many = group.expected if self._way == "mean" and self._total else 1
            fields.append(reduction.result() * np.float32(many))
        return np.concatenate(fields)

    @property
    def block(self) -> tuple[int, int]:
        """See `RasterFile.block`."""
        return self._file.block

    @property
    def files(self) -> tuple[str, ...]:
        """The files on disk that it is read from."""
        return self._file.files

    @property
    def elsewhere(self) -> bool:
        """See `RasterFile.elsewhere`."""
        return self._file.elsewhere

    def server_facts(self) -> Facts | None:
        """See `RasterFile.server_facts`."""
        return self._file.server_facts()

    @property
    def unnamed_missing(self) -> list[float]:
        """See `RasterFile.unnamed_missing`."""
        return self._file.unnamed_missing

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class AggregatedRaster(Raster):
    """A raster of one band for each date, made of the bands of that date.

    Args:
        ref, label, wanted_units, quantity: as of `Raster`; the reference names no band.
        aggregation: what to do. Amounts that are wanted as a rate (mm as mm/day) become that of the whole
            date either way. A sum is of all steps: dates that lack some are not there, but told of in
            `remarks`.

    Raises:
        InputError: as `Raster`; bands that cannot be aggregated, and sums that mean nothing.
    """

    def __init__(
        self,
        ref: RasterRef,
        label: str,
        wanted_units: str,
        aggregation: Aggregation,
        quantity: str = "",
        check: Callable[[], None] = go_on,
    ) -> None:
        self.aggregation, self._wanted = aggregation, wanted_units
        self.remarks: list[str] = []
        super().__init__(ref, label, wanted_units, quantity, check)

    def _open(self) -> RasterFile:
        file = super()._open()
        try:
            gathered = AggregatedFile(file, self.aggregation, self.label, self._wanted)
        except BaseException:
            file.close()
            raise
        self.remarks = gathered.remarks
        return gathered

    @property
    def told(self) -> str:
        """What was done, in words."""
        return f"{self.aggregation.way} of each {self.aggregation.part}'s steps"


def is_rate(unit: str) -> bool:
    """Return whether a unit is one per time, such as mm/day or W m-2."""
    return _RATE.search(unit) is not None or _POWER.search(unit) is not None


def is_amount(unit: str) -> bool:
    """Return whether a unit is one of water or energy that has come together over some time."""
    return not is_rate(unit) and (units.is_water(unit) or _ENERGY.search(unit) is not None)


def by_length(unit: str, way: str) -> bool:
    """Return whether steps count by their lengths: in means of all but amounts."""
    return way == "mean" and not is_amount(unit)


def check_sum(unit: str, wanted: str, label: str, part: str) -> None:
    """Refuse to sum what is no amount.

    Raises:
        InputError: a temperature, or a rate where no rate is wanted.
    """
    if units.is_temperature(unit) or (is_rate(unit) and not is_rate(wanted)):
        kind = "a temperature" if units.is_temperature(unit) else "a rate"
        raise InputError(f"{label} is in {unit}, {kind}, whose sum means nothing: choose {part}:mean.")


def open_dated(
    ref: RasterRef,
    label: str,
    wanted_units: str,
    aggregation: Aggregation | None,
    always: bool = False,
    quantity: str = "",
    check: Callable[[], None] = go_on,
) -> Raster:
    """Open a raster, aggregated where that is asked for and its bands are steps of dates.

    Args:
        ref, label, wanted_units, quantity, check: as of `Raster`.
        aggregation: what to do; None: nothing.
        always: bands that are no such steps are refused.

    Raises:
        InputError: as `Raster` and `AggregatedRaster`.
    """
    raster = Raster(ref, label, wanted_units, quantity, check)
    if aggregation is None or ref.band is not None or raster.count == 1:
        return raster
    part = aggregation.part
    if any(raster.dates) and (always or any(w is not None and w != w.to(part) for w in raster.dates)):
        raster.close()
        return AggregatedRaster(ref, label, wanted_units, aggregation, quantity, check)
    return raster
