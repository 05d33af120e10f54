"""The rasters of one variable: found, dated, and read onto any grid by the engine's own reader."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio.errors
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.windows import Window

from engine import dates
from engine.aggregation import Aggregation, DateSteps, Reduction, lacking, steps_by_date
from engine.dates import When
from engine.errors import InputError
from engine.parts_of_month import parts_of
from engine.quantities.periods import step_of
from engine.raster.aggregated import by_length, check_sum, is_rate
from engine.raster.gdal_reasons import DAMAGED
from engine.raster.opening import is_cf, is_grib
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from engine.source_kinds import OfKind
from training.preparation.timeline import count_on, date_in_name
from training.schema.dataset import Limits, RasterSection

_AT_ONCE = 16  # steps of a date that are held in memory


@dataclass(frozen=True)
class Layer:
    """One raster of one date: a file (or GDAL's name for a variable of it) and a band."""

    path: str
    band: int
    when: When | None


class GivenRaster(Raster):
    """A raster with the valid range that its describer gives."""

    def __init__(self, ref: RasterRef, label: str, wanted: str, valid: Limits | None) -> None:
        self._valid = valid
        self.seen = self.outside = 0
        super().__init__(ref, label, wanted)

    def values(
        self, bands: Sequence[int], window: Window, step: int = 1, classes: bool = False
    ) -> NDArray[np.float32]:
        """Read as `Raster.values` does; values outside the valid range are missing."""
        values = super().values(bands, window, step, classes)
        if self._valid is None:
            return values
        low, high = self._valid
        with np.errstate(invalid="ignore"):
            outside = np.zeros(values.shape, bool) if low is None else values < low
            if high is not None:
                outside |= values > high
        with self._lock:
            self.seen += int(np.isfinite(values).sum())
            self.outside += int(outside.sum())
        values[outside] = np.nan
        return values


@dataclass
class Layers(OfKind):
    """What an array of a store is made of.

    Attributes:
        described: where it comes from, in words.
        kind, classes: as in `engine.raster.reader.Raster.read`.
    """

    described: str
    kind: str = "continuous"
    classes: tuple[int, ...] = ()


class Series(Layers):
    """All rasters of one variable.

    Args:
        section: where they are, and what they do not say.
        folder: that relative paths start from.
        label: how sentences call it, e.g. "target.fine".
        units: wanted; "" to keep the files'.
        valid: range in these units.
        dynamic: whether there is one raster for each date.
        kind, classes: as in `engine.raster.reader.Raster.read`.

    Raises:
        InputError: no file, a file that cannot be read, a date that is missing or there twice.
    """

    def __init__(
        self,
        section: RasterSection,
        folder: Path,
        label: str,
        units: str = "",
        valid: Limits | None = None,
        dynamic: bool = True,
        kind: str = "continuous",
        classes: Sequence[int] = (),
    ) -> None:
        self.section, self.label, self.valid, self.dynamic = section, label, valid, dynamic
        self.kind, self.classes = kind, tuple(classes)
        self.units = units if self.traits.unit is None else ""
        self.seen = self.outside = 0  # values read, and those outside the valid range
        self._lock = threading.Lock()
        self._kept: dict[str, GivenRaster] = {}
        paths = self._find(folder)
        self._dates_of: dict[str, dict[int, When | None]] = {}  # by path and band, where files say none
        self.layers = self._layers(paths)
        self.remarks: list[str] = []
        self.doubts: dict[str, None] = {}  # of the files that were read, each once
        self._groups: list[DateSteps] | None = None  # layers of each date, where they are made one
        self._step = step_of([layer.when for layer in self.layers])
        self._parts = parts_of([layer.when for layer in self.layers]).days
        for layer in self.layers:
            self._dates_of.setdefault(layer.path, {})[layer.band] = layer.when
        with self.open(self.layers[:1]) as (raster, _):
            self.file_units = raster.units
            self.grid = raster.geobox if raster.upright else None
            self.described = raster.describe()
            words = [raster.variable, raster.units_told, self.described, *raster.notes]
            self.understood = f"{label}: {'; '.join(filter(None, words))}."
        if section.aggregate is not None and dynamic:
            self._gather(Aggregation.parse(section.aggregate))

    def _gather(self, aggregation: Aggregation) -> None:
        """Make the layers of each date one."""
        if not self.traits.scalar:
            raise InputError(f"{self.label}.aggregate: steps of kind {self.kind} have no mean.")
        if aggregation.way == "sum":
            check_sum(self.file_units, self.units, self.label, aggregation.part)
        stamps = [layer.when for layer in self.layers]
        groups = steps_by_date(stamps, aggregation, self.label)
        what = "their means are of those there are" if aggregation.way == "mean" else "they are left out"
        self.remarks += [line for line in [lacking(groups, self.label, what)] if line]
        self._groups = [g for g in groups if g.whole] if aggregation.way == "sum" else groups
        if not self._groups:
            raise InputError(f"{lacking(groups, self.label, 'a sum needs every step')}")
        self._way = aggregation.way
        self.described = f"{self.described}; {aggregation.way} of each {aggregation.part}'s steps"

    @property
    def dates(self) -> list[When | None]:
        """Of the layers, or of what is made of them."""
        if self._groups is not None:
            return [group.when for group in self._groups]
        return [layer.when for layer in self.layers]

    def close(self) -> None:
        """Close every file that is kept open; a later read opens it again."""
        for raster in self._kept.values():
            self._count(raster)
            raster.close()
        self._kept.clear()

    def forget_counts(self) -> None:
        """Count values outside the valid range from zero again."""
        self.close()
        self.seen = self.outside = 0

    def read(
        self, indices: Sequence[int | None], grid: GeoBox, conserve: bool = False
    ) -> NDArray[np.float32]:
        """Read layers onto a grid.

        Args:
            indices: of layers; None gives a field without data.
            grid: rows × columns to fill.
            conserve: keep the means (area-weighted), as a coarse target needs.

        Returns:
            (T, channels, rows, columns) float32 in the wanted units, NaN where invalid.
        """
        if self._groups is None:
            return self._read(indices, grid, conserve)
        out = np.full((len(indices), self.channels, *grid.shape), np.nan, np.float32)
        for place, index in enumerate(indices):
            if index is not None:
                out[place] = self._made_one(self._groups[index], grid, conserve)
        return out

    def _made_one(self, group: DateSteps, grid: GeoBox, conserve: bool) -> NDArray[np.float32]:
        """Read the steps of a date as their mean or sum, (channels, rows, columns)."""
        rates = is_rate(self.units) and not is_rate(self.file_units)  # each step's amount is one by now
        weighted = rates or by_length(self.file_units, self._way)
        reduction = Reduction(self._way == "mean" or rates, self._way == "sum")
        steps = 0
        for first in range(0, len(group.indices), _AT_ONCE):
            indices = group.indices[first : first + _AT_ONCE]
            for field in self._read(indices, grid, conserve):
                reduction.add(field, group.days[steps] if weighted else 1)
                steps += 1
        return reduction.result()

    def _read(self, indices: Sequence[int | None], grid: GeoBox, conserve: bool) -> NDArray[np.float32]:
        """Read layers as `read` does, without making any one."""
        out = np.full((len(indices), self.channels, *grid.shape), np.nan, np.float32)
        start = 0
        while start < len(indices):
            layers = self._run_of(indices[start:])
            if not layers:
                start += 1
                continue
            path, stop = layers[0].path, start + len(layers)
            try:
                with self.open(layers) as (raster, bands):
                    out[start:stop] = self._onto(grid, raster, bands, conserve)
            except rasterio.errors.RasterioError as error:
                raise InputError(f"{self.label}: {path} cannot be read to its end: {DAMAGED}.") from error
            start = stop
        return out

    def _run_of(self, indices: Sequence[int | None]) -> list[Layer]:
        """Return the layers at the start of `indices` that lie in one file; none where there is no first."""
        layers: list[Layer] = []
        for index in indices:
            if index is None or (layers and self.layers[index].path != layers[0].path):
                break
            layers.append(self.layers[index])
        return layers

    def _onto(
        self, grid: GeoBox, raster: GivenRaster, bands: Sequence[int], conserve: bool
    ) -> NDArray[np.float32]:
        """Read bands onto a grid, (bands, channels, rows, columns)."""
        how = raster.resampling(grid, self.kind, conserve)
        if not self.traits.stacked:
            return raster.read(grid, bands, how)[:, None]
        return np.stack([raster.read(grid, [band], how, self.kind, self.classes) for band in bands])

    @contextmanager
    def open(self, layers: Sequence[Layer]) -> Iterator[tuple[GivenRaster, list[int]]]:
        """Open the one file that holds some layers; yields it and their bands."""
        path = layers[0].path
        raster = self._kept.get(path) or self._raster(path)
        dated = {layer.band: layer.when for layer in layers} | self._dates_of.get(path, {})
        raster.take_dates([dated.get(band) for band in range(1, raster.count + 1)], self._step, self._parts)
        try:
            yield raster, [layer.band for layer in layers]
        finally:
            with self._lock:
                keep = raster.count > 1 and self._kept.setdefault(path, raster) is raster
            if not keep:
                self._count(raster)
                raster.close()

    def _count(self, raster: GivenRaster) -> None:
        with self._lock:
            self.seen, self.outside = self.seen + raster.seen, self.outside + raster.outside
            self.doubts.update(dict.fromkeys(raster.doubts))

    def _raster(self, path: str) -> GivenRaster:
        section = self.section
        ref = RasterRef(
            path,
            crs=section.crs,
            units=section.file_units,
            nodata=section.nodata,
            scale=section.scale,
            offset=section.offset,
        )
        return GivenRaster(ref, self.label, self.units, self.valid)

    def _find(self, folder: Path) -> list[Path]:
        paths: list[Path] = []
        for pattern in self.section.patterns:
            path = Path(pattern).expanduser()
            base = path if path.is_absolute() else folder / path
            if base.exists():
                paths.append(base)
                continue
            anchor = Path(base.anchor) if base.is_absolute() else Path()
            matches = sorted(anchor.glob(str(base.relative_to(anchor))))
            if not matches:
                raise InputError(f"{self.label}.files: there is no file {base}.")
            paths += [m for m in matches if m.suffix != ".xml"]
        return list(dict.fromkeys(paths))

    def _layers(self, paths: Sequence[Path]) -> list[Layer]:
        layers = [layer for path in paths for layer in self._layers_of(path)]
        if not self.dynamic:
            band = self.section.band or 1
            chosen = [layer for layer in layers if layer.band == band]
            if len(chosen) != 1:
                raise InputError(
                    f"{self.label}: {len(chosen)} rasters for what does not change with time: give one file "
                    f"(and its band), or say dynamic: true."
                )
            return chosen
        undated = next((layer for layer in layers if layer.when is None), None)
        if undated is not None:
            raise InputError(
                f"{self.label}: {undated.path}, band {undated.band}, carries no date: say where it stands in "
                f"the name (key date), or give band_dates."
            )
        layers.sort(key=lambda layer: layer.when or When(None))
        for one, two in zip(layers, layers[1:]):
            if one.when == two.when:
                other = f"band {two.band} of it" if one.path == two.path else two.path
                raise InputError(f"{self.label}: {one.when} is there twice, in {one.path} and {other}.")
        return layers

    def _layers_of(self, path: Path) -> list[Layer]:
        section, name = self.section, str(path)
        if section.variable and (is_cf(name) or is_grib(name)):
            name = f"{name}:{section.variable}"
        if section.date is not None:
            return [Layer(name, section.band or 1, date_in_name(path.name, section.date, self.label))]
        in_name = dates.find(path.stem) if self.dynamic else None
        raster = self._raster(name)
        named = in_name is not None and in_name.month is not None and not is_cf(str(path))
        if named and (raster.count == 1 or section.band is not None):
            raster.close()
            return [Layer(name, section.band or 1, in_name)]
        if raster.count > 1:
            self._kept[name] = raster
        else:
            raster.close()
        return self._dated(name, raster.dates)

    def _dated(self, name: str, stamps: Sequence[When | None]) -> list[Layer]:
        chosen = self.section.band
        if self.section.band_dates is not None:
            stamps = count_on(self.section.band_dates, len(stamps))
        layers = [Layer(name, i, when) for i, when in enumerate(stamps, start=1)]
        return [layer for layer in layers if chosen is None or layer.band == chosen]
