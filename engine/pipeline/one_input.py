"""One input raster of a job: the bands for a date, and the cells that were read."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling

from engine import dates
from engine.dates import When
from engine.errors import InputError
from engine.pipeline.request import SourceReport
from engine.raster.aggregated import AggregatedRaster
from engine.raster.reader import Raster
from engine.specs import OwnSource, SourceSpec


@dataclass
class CellCounts:
    """Counts over the tiles of a job."""

    cells: int = 0
    valid: int = 0
    outside: int = 0

    def add(self, values: NDArray[np.float32], span: tuple[float, float] | None) -> None:
        self.cells += values.size
        valid = np.isfinite(values)
        self.valid += int(valid.sum())
        if span is not None:
            slack = 1e-6 * max(abs(span[0]), abs(span[1]), 1e-9)
            outside = valid & ((values < span[0] - slack) | (values > span[1] + slack))
            self.outside += int(outside.sum())

    @property
    def numbers(self) -> tuple[int, ...]:
        """Cells, valid ones, and those of them outside the range."""
        return self.cells, self.valid, self.outside

    def add_numbers(self, cells: int, valid: int, outside: int) -> None:
        """Take in what was counted elsewhere."""
        self.cells, self.valid, self.outside = self.cells + cells, self.valid + valid, self.outside + outside

    def shares(self) -> tuple[float, float]:
        """Return the share of cells that are valid, and of the valid ones that are outside the range."""
        return self.valid / max(self.cells, 1), self.outside / max(self.valid, 1)


@dataclass
class Input:
    """One raster with its part in the job."""

    spec: SourceSpec
    raster: Raster
    resampling: Resampling
    shipped: bool = False  # the package's default
    counts: CellCounts = field(default_factory=CellCounts)

    def bands(self, when: When | None) -> list[int]:
        """Return the bands to read for a date.

        Raises:
            InputError: the date has no partner, or the choice of a band is open.
        """
        raster, name = self.raster, self.raster.label
        if self.spec.traits.of_target:
            return [i + 1 for i, _ in self._climatology_bands()]
        if raster.ref.band is not None:
            known = raster.dates[raster.ref.band - 1]
            if self.spec.dynamic and when and known and not when.matches(known):
                raise InputError(f"{name}: band {raster.ref.band} is of {known}, but the date is {when}.")
            return [raster.ref.band]
        if not self.spec.dynamic or (raster.count == 1 and raster.dates[0] is None):
            return [1]
        if isinstance(self.spec, OwnSource) and self.spec.of_year:
            apart = self.distances(when)
            return [apart.index(min(apart)) + 1]
        if not any(raster.dates):
            raise InputError(f"{name} has {raster.count} bands without dates: choose one (RASTER#BAND).")
        if when is None:
            if raster.count == 1:
                return [1]
            raise InputError(f"{name} has {raster.count} dates: say which date is wanted.")
        return [dates.match(raster.dates, when, name, raster.further) + 1]

    def first_of_many(self) -> list[str]:
        """Say that the first of several bands is taken for what does not change with time."""
        raster = self.raster
        if (
            self.spec.dynamic
            or self.spec.traits.of_target
            or raster.ref.band is not None
            or raster.count == 1
        ):
            return []
        told = ", ".join(f"{name} {value}" for name, value in raster.further[0].items())
        return [
            f"{raster.label} has {raster.count} bands, of which the first{f' ({told})' if told else ''} is "
            f"taken: choose another one as RASTER#BAND."
        ]

    def distances(self, when: When | None) -> list[float]:
        """Return the distance in months from each band of a climatology to the date.

        Where bands are for hours of the day and the date has one, those of other hours are infinitely far.
        """
        bands = self._climatology_bands()
        if len(bands) == 1:
            return [0.0]
        if when is None:
            raise InputError(f"{self.raster.label} has a band for each month: give the date, YYYY-MM or MM.")
        months = [dates.cyclic_months(position, when.position) for _, position in bands]
        clock = [self._hour(band) for band, _ in bands]
        if when.hour is None or all(hour is None for hour in clock):
            return months
        own = when.hour + (when.minute or 0) / 60
        apart = [np.inf if hour is None else dates.cyclic(hour, own, 24) for hour in clock]
        return [m if a == min(apart) else float("inf") for m, a in zip(months, apart, strict=True)]

    def _hour(self, band: int) -> float | None:
        """Return the hour of the day that a climatology's band is of, None where it is of all."""
        when = self.raster.dates[band]
        return None if when is None or when.hour is None else when.hour + (when.minute or 0) / 60

    def _climatology_bands(self) -> list[tuple[int, float]]:
        """Return (index, position in months) of each band."""
        raster = self.raster
        if raster.ref.band is not None:
            return [(raster.ref.band - 1, 0.0)]
        known = [(i, w.position) for i, w in enumerate(raster.dates) if w is not None and w.month is not None]
        if known and len(known) == raster.count:
            return known
        if raster.count == 1:
            return [(0, 0.0)]
        if raster.count in (12, 365, 366):
            step = 12 / raster.count
            first = 1.0 if raster.count == 12 else 0.5 + step / 2
            return [(i, first + i * step) for i in range(raster.count)]
        raise InputError(
            f"{raster.label} must have one band, 12, 365 or 366 bands, or bands that carry dates; "
            f"{raster.ref.path} has {raster.count}."
        )

    def report(self) -> SourceReport:
        """Say what became of the raster."""
        covered, outside = self.counts.shares()
        how = "copied" if self.resampling == Resampling.nearest else self.resampling.name
        if self.resampling == Resampling.nearest and self.spec.traits.labels:
            how = "nearest"
        path = f"{self.raster.ref.path}{' (shipped with the model)' if self.shipped else ''}"
        onto = f"{how}, onto the {self.spec.grid} grid{steps_told(self.raster)}"
        return SourceReport(self.spec.name, path, self.raster.describe(), onto, covered, outside)


def steps_told(raster: Raster) -> str:
    """Say what became of the steps of a raster's dates."""
    return f"; {raster.told}" if isinstance(raster, AggregatedRaster) else ""
