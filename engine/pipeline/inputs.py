"""Which raster goes where: the target and the sources of one job, read tile by tile into patches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling

from engine import dates
from engine.aggregation import Aggregation
from engine.band_dates import of_year
from engine.bias.correction import BiasCorrection
from engine.date_span import DateSpan, is_span
from engine.dates import When
from engine.errors import Cancelled, InputError
from engine.fields.kept import KeptForDates, LastKept, kept_or_made
from engine.fields.patch import Patch
from engine.methods.interface import BaseInUse, Method
from engine.pipeline.domain_input import DomainInput
from engine.pipeline.infer_target import value_range
from engine.pipeline.inspection.early_look import EarlyLook, doubts, early_look
from engine.pipeline.inspection.understood import Understood, understood
from engine.pipeline.inspection.unstated_scale import check_scale, scaled_doubt, unstated_scale
from engine.pipeline.one_input import CellCounts, Input, steps_told
from engine.pipeline.request import SourceReport
from engine.pipeline.tiles import Tile
from engine.raster.aggregated import AggregatedRaster, open_dated
from engine.raster.footprint import scale
from engine.raster.grids import Grids, cell_sizes, lattice, origin, refine, relative_area
from engine.raster.longitudes import columns_round, grid_circle
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from engine.specs import SourceSpec, TargetSpec

_FINER = 1.1  # times the target's resolution, from which cells are finer


class InputRasters:
    """All rasters of a job.

    Args:
        target: the open coarse raster.
        spec: what it is.
        specs: the sources that the method can use.
        given: rasters that the user names, by source.
        shipped: the package's default rasters, by source, for those not given.
        grids: the job's grids.
        aggregate: what the steps of a date become, of the target and of sources that change with the date;
            None: they are left alone.
        correction: of the target, by a model for a coarse product of another origin; None: as it is.
        domain: which fine cells count; None: all.

    Raises:
        InputError: an unknown source, one that cannot be read or does not overlap the output.
    """

    def __init__(
        self,
        target: Raster,
        spec: TargetSpec,
        specs: Sequence[SourceSpec],
        given: Mapping[str, RasterRef],
        shipped: Mapping[str, RasterRef],
        grids: Grids,
        aggregate: str | None = None,
        correction: BiasCorrection | None = None,
        domain: DomainInput | None = None,
    ) -> None:
        aggregation = Aggregation.parse(aggregate) if aggregate else None
        known = {s.name for s in specs}
        unknown = sorted(set(given) - known)
        if unknown:
            takes = f"it takes {', '.join(sorted(known)) or 'none'}"
            raise InputError(f"There is no source named {unknown[0]} for this method ({takes}).")
        self.target, self.spec, self.grids = target, spec, grids
        self.correction, self.domain = correction, domain
        self._target_resampling = target.resampling(grids.coarse, conserve=True)
        self.target_counts = CellCounts()
        self.sources: list[Input] = []
        self._scaled: list[str] = []  # what was read by a scale that nobody states
        self._looks: dict[str, EarlyLook] = {}
        self._out_of_reach: list[str] = []  # rasters of the package that do not overlap the output
        self._stopped = threading.Event()
        for source in specs:
            ref = given.get(source.name) or shipped.get(source.name)
            if ref is None:
                continue
            raster = self._open(source, ref, aggregation)
            if source.traits.scalar and source.range and source.units in ("", "1"):
                scale = None
                if raster.bare_numbers:
                    scale = unstated_scale(raster, source.range)
                else:
                    check_scale(raster, source.range)
                if scale is not None:
                    raster.close()
                    raster = self._open(source, replace(ref, scale=scale), aggregation)
                    self._scaled.append(scaled_doubt(source.name, scale, source.range))
            grid = self._grid(source)
            if not raster.overlaps(grid):
                if source.name in given:
                    raise InputError(
                        f"{source.name}: {ref.path} does not overlap the output: check extent and CRS, or "
                        f"leave it out."
                    )
                raster.close()
                self._out_of_reach.append(source.name)
                continue
            how = raster.resampling(grid, source.kind)
            self.sources.append(Input(source, raster, how, source.name not in given))
        self._dates = 1  # of the run
        self._kept = LastKept()

    def _open(self, source: SourceSpec, ref: RasterRef, aggregation: Aggregation | None) -> Raster:
        """Open a source; where the target is summed, sources in other units than it are averaged."""
        units = source.units if source.traits.unit is None else ""
        quantity = self.spec.name if source.traits.of_target else source.title
        check = self.target.check
        if aggregation is None or not source.dynamic:
            return Raster(ref, source.name, units, quantity, check)
        if source.traits.scalar:
            way = aggregation.way if source.units == self.spec.units else "mean"
            return open_dated(ref, source.name, units, replace(aggregation, way=way), False, quantity, check)
        raster = Raster(ref, source.name, units, check=check)
        if ref.band is None and any(w is not None and w != w.to(aggregation.part) for w in raster.dates):
            raster.close()
            raise InputError(
                f"{source.name} is of kind {source.kind}, whose steps have no mean: give one band for each "
                f"{aggregation.part}."
            )
        return raster

    def _grid(self, source: SourceSpec) -> GeoBox:
        return self.grids.coarse if source.grid == "coarse" else self.grids.fine

    def listen(self, check: Callable[[], None] | None) -> None:
        """Call `check`, which may raise, between the pieces of every read; see `stop`."""

        def look() -> None:
            if self._stopped.is_set():
                raise Cancelled("Stopped.")
            if check is not None:
                check()

        for raster in self.rasters:
            raster.check = look

    def stop(self) -> None:
        """Let a read of another thread end at its next piece."""
        self._stopped.set()

    def early_doubts(self, when: When | None) -> list[str]:
        """Return what a few cells of each raster tell before the run: too little of it, strange values."""
        lines = self._scaled + [
            f"{name}: the raster that the model brings does not reach the output, so it is left out."
            for name in self._out_of_reach
        ]
        for source in self.sources:
            lines += source.first_of_many()
            span = source.spec.range if source.spec.traits.scalar else None
            look = early_look(source.raster, self.grids.output, source.bands(when)[0], span)
            self._looks[source.spec.name] = look
            lines += doubts(source.raster.label, look, span, source.spec.units)
        span = self.spec.range if self.correction is None else None  # it is of corrected values
        look = early_look(self.target, self.grids.output, self.target_band(when), span)
        self._looks["target"] = look
        if not look.covered:
            value_range(self.target)  # which refuses a raster without any value
        if self.grids.coarse != self.target.geobox or look.outside:
            lines += doubts("target", look, span, self.spec.units)
        if self.domain is not None:
            lines += self.domain.doubts()
        return lines + [line for raster in self.rasters for line in raster.doubts]

    def understood(self) -> list[Understood]:
        """Return what was understood of each raster, the target first; after `early_doubts`."""
        told = [understood(raster, self._looks[raster.label]) for raster in self._fields]
        return told if self.domain is None else told + self.domain.understood(self.grids.output)

    @property
    def rasters(self) -> list[Raster]:
        """All of them, the target first."""
        mask = None if self.domain is None else self.domain.raster
        return self._fields if mask is None else [*self._fields, mask]

    @property
    def _fields(self) -> list[Raster]:
        """Those that hold values: the target and the sources."""
        return [self.target, *(source.raster for source in self.sources)]

    @property
    def names(self) -> set[str]:
        """The sources that are there."""
        return {s.spec.name for s in self.sources}

    def close(self) -> None:
        """Close every file."""
        for raster in self.rasters:
            raster.close()

    def remarks(self) -> list[str]:
        """Say which dates lack steps that were to be aggregated."""
        return [
            line for raster in self.rasters if isinstance(raster, AggregatedRaster) for line in raster.remarks
        ]

    def target_band(self, when: When | None) -> int:
        """Return the target's band for a date."""
        if self.target.ref.band is not None:
            return self.target.ref.band
        if when is not None and any(self.target.dates):
            return dates.match(self.target.dates, when, "target", self.target.further) + 1
        return 1

    def wanted_dates(self, date: str | None, all_dates: bool) -> list[When | None]:
        """Return the dates of the output's bands, after a check that every source has them.

        Raises:
            InputError: dates are wanted but not there, or one has no partner.
        """
        target = self.target
        if target.ref.band is None and target.count > 1 and not any(target.dates):
            raise InputError(f"target has {target.count} bands without dates: choose one (RASTER#BAND).")
        own = target.dates[(target.ref.band or 1) - 1] if target.ref.band or target.count == 1 else None
        if all_dates and target.dates != [None]:  # one field without a date is all that there is
            undated = [i + 1 for i, w in enumerate(target.dates) if w is None]
            if undated:
                raise InputError(f"target: band {undated[0]} of {target.ref.path} carries no date.")
            if target.ref.band is not None and target.count > 1:
                raise InputError(
                    f"target: band {target.ref.band} of {target.ref.path} is named, but all dates are "
                    f"wanted: leave out the band, or the wish for all dates (--all, ALL_DATES)."
                )
            wanted: list[When | None] = list(target.dates)
            target.ref = replace(target.ref, band=None)
        elif date and is_span(date):
            wanted = list(DateSpan.parse(date).among(target.dates if own is None else [own], "target"))
            target.ref = target.ref if own is not None else replace(target.ref, band=None)
        elif date:
            when = dates.parse(date)
            if isinstance(target, AggregatedRaster) and when != when.to(target.aggregation.part):
                raise InputError(
                    f"date: {when} is one step, but aggregate asks for the {target.aggregation.way} of each "
                    f"{target.aggregation.part}: give the {target.aggregation.part}, "
                    f"{when.to(target.aggregation.part)}."
                )
            if own is not None and not when.matches(own):
                raise InputError(f"target: the band is of {own}, but the date asked for is {when}.")
            wanted = [self._in_calendar(self._as_monthly(when))]
        elif target.count > 1 and target.ref.band is None and any(target.dates):
            raise InputError(
                f"target has {target.count} dates: say which date is wanted (--date, DATE), or take all "
                f"(--all, ALL_DATES)."
            )
        else:
            wanted = [own]
        self._dates = len(wanted)
        asked = wanted[:1] if len(wanted) == 1 else [None]
        target.take_dates(asked)
        for source in self.sources:
            year = of_year(source.raster.count) if source.spec.traits.of_target else None
            source.raster.take_dates(year or asked)
        for each in wanted:
            self.target.check_units(self.target_band(each))
            for source in self.sources:
                for band in source.bands(each):
                    source.raster.check_units(band)
                if source.spec.traits.of_target:
                    source.distances(each)
        return wanted

    def _as_monthly(self, when: When) -> When:
        """Return the month of a day by which a monthly field is asked for: it is the whole month's field.

        Where a source's dates are finer, the day says which of them is meant, and stays.
        """
        fitting = [own for own in self.target.dates if own is not None and own.matches(when)]
        changing = [own for source in self.sources if source.spec.dynamic for own in source.raster.dates]
        monthly = all(own is None or own.day is None for own in (*fitting, *changing))
        return when.to("month") if fitting and monthly and when.day is not None else when

    def _in_calendar(self, when: When) -> When:
        """Return a date in the calendar of the target's bands."""
        known = next((own for own in self.target.dates if own is not None), when)
        return replace(when, calendar=known.calendar)

    def patch(self, tile: Tile, halo: int, when: When | None) -> Patch:
        """Read one tile with its halo for one date."""
        coarse = self.grids.coarse_window(tile.row, tile.col, tile.rows, tile.cols, halo)
        fine = refine(coarse, self.grids.factor)
        target = self._corrected(coarse, when)
        inside = slice(halo, -halo or None)
        self.target_counts.add(target[inside, inside], self.spec.range)
        area = relative_area(fine) if self.spec.by_area else None
        patch = Patch(
            factor=self.grids.factor,
            halo=halo,
            target=_tensor(target),
            cell_size=_tensor(cell_sizes(fine)),
            area=None if area is None else _tensor(area),
            turn=columns_round(self.grids.coarse.affine.a, grid_circle(self.grids.coarse)),
            origin=torch.tensor([origin(self.grids.coarse_window(tile.row, tile.col, 1, 1, 0))]),
            date=when,
            lattice=lattice(self.grids.coarse),
            kept=None if self._dates == 1 else self._kept.of((tile, halo)),
        )
        if when is not None and when.month is not None:
            patch.day_of_year = torch.tensor([when.day_of_year], dtype=torch.float32)
        for source in self.sources:
            values = self._read(source, patch.kept, coarse if source.spec.grid == "coarse" else fine, when)
            edge = halo if source.spec.grid == "coarse" else halo * self.grids.factor
            middle = slice(edge, -edge or None)
            span = source.spec.range if source.spec.traits.scalar else None
            source.counts.add(values[0, :1, middle, middle].numpy(), span)
            if source.spec.traits.of_target:
                patch.climatology = values
                patch.climatology_distance = torch.tensor([source.distances(when)], dtype=torch.float32)
            else:
                fields = patch.coarse if source.spec.grid == "coarse" else patch.fine
                fields[source.spec.name] = values
        if self.domain is not None:
            patch.domain = self.domain.read(fine, patch.fine, halo * self.grids.factor)
        return patch

    def _as_read(self, grid: GeoBox, when: When | None) -> NDArray[np.float32]:
        return self.target.read(grid, [self.target_band(when)], self._target_resampling)[0]

    def _corrected(self, grid: GeoBox, when: When | None) -> NDArray[np.float32]:
        values = self._as_read(grid, when)
        return values if self.correction is None else self.correction.apply(values, grid, when)

    def take_period(self, wanted: Sequence[When | None], tell: Callable[[float], None]) -> list[str]:
        """Let the correction see the run's own dates, and return what the user should know of it.

        `tell` hears of the share that is read, and may raise to stop.
        """
        return [] if self.correction is None else self.correction.fit(wanted, self._as_read, tell)

    def coarse_field(self, grid: GeoBox, when: When | None) -> torch.Tensor:
        """Return a date's target on coarse cells, of the output or beside it: (rows, columns)."""
        return torch.from_numpy(self._corrected(grid, when))

    @staticmethod
    def averaged(source: Input, grid: GeoBox, when: When | None) -> torch.Tensor:
        """Return a source's means by area on a grid's cells, (channels, rows, columns)."""
        spec, raster = source.spec, source.raster
        how = raster.resampling(grid, spec.kind, conserve=True)
        return torch.from_numpy(raster.read(grid, source.bands(when), how, spec.kind, spec.classes))

    def no_finer(self) -> set[str]:
        """Return the fine sources whose cells are as large as the target's own, or larger."""
        own = scale(self.target.georeference, self.grids.fine)
        fine = [s for s in self.sources if s.spec.grid == "fine"]
        return {s.spec.name for s in fine if scale(s.raster.georeference, self.grids.fine) < _FINER * own}

    @staticmethod
    def _read(source: Input, kept: KeptForDates | None, grid: GeoBox, when: When | None) -> torch.Tensor:
        """Return a source on a grid, (1, channels, rows, columns); a static one is read once for a tile."""

        def read() -> torch.Tensor:
            bands, spec = source.bands(when), source.spec
            return _tensor(source.raster.read(grid, bands, source.resampling, spec.kind, spec.classes))

        return kept_or_made(None if source.spec.dynamic else kept, ("values", source.spec.name), read)

    def reports(self) -> list[SourceReport]:
        """Say what became of each raster, the target first."""
        covered, outside = self.target_counts.shares()
        how = "area-weighted overlap" if self._target_resampling == Resampling.average else "copied"
        path, grid = self.target.ref.path, self.target.describe()
        onto = f"{how}, onto the coarse grid{steps_told(self.target)}"
        if self.correction is not None:
            onto += f"; corrected by {self.correction.in_words}"
        first = SourceReport("target", path, grid, onto, covered, outside)
        mask = [] if self.domain is None else [self.domain.report()]
        return [first, *(s.report() for s in self.sources), *mask]

    def base_in_use(self, method: Method) -> BaseInUse | None:
        """Return what the base of a model is made of with these inputs; see `Method.base_in_use`."""
        climatology = any(source.spec.traits.of_target for source in self.sources)
        return method.base_in_use(self.names, climatology, self.grids.coarse)

    def coarser_than_fine(self) -> list[str]:
        """Return the fine sources whose cells are larger than the target's own: they add no detail."""
        own = scale(self.target.georeference, self.grids.fine)
        fine = [s for s in self.sources if s.spec.grid == "fine"]
        return [s.spec.name for s in fine if scale(s.raster.georeference, self.grids.fine) < own]


def _tensor(values: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).unsqueeze(0)
