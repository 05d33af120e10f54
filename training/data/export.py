"""`python -m training.data.export CONFIG.yaml --month M --output DIR`: a data set's rasters as GeoTIFFs.

Writes what a person would feed to the model for one date: the coarse target, the sources in their
own grids, the climatology with one dated band for each training date, or of many dates for each month;
and the fine truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from rasterio.io import MemoryFile

from engine import dates
from engine.commands.options import Parser, whole
from engine.errors import InputError
from engine.files.atomic import new_file
from training.console.command import main
from training.data.archive import Archive
from training.data.patches import View
from training.data.readers import load_archive
from training.data.split import split_archive
from training.schema.config import load_config


def write_raster(
    path: Path,
    bands: Sequence[np.ndarray] | np.ndarray,
    transform: Affine,
    crs: str,
    units: str,
    dates: Sequence[str | None] = (),
) -> Path:
    """Write bands of (H, W) as float32, NaN as nodata; a band's date goes into its tag DATE and its name.

    They are asked for one after the other.
    """
    count, (height, width) = len(bands), bands[0].shape
    with MemoryFile() as made:  # GDAL does not tell when the last of a file cannot be written
        with made.open(
            driver="GTiff",
            width=width,
            height=height,
            count=count,
            dtype="float32",
            crs=crs,
            transform=transform,
            nodata=np.nan,
            compress="deflate",
            predictor=3,
            tiled=True,
            interleave="band",
        ) as raster:
            for index in range(count):
                raster.write(np.asarray(bands[index], np.float32), index + 1)
            raster.units = [units] * count
            for index, date in enumerate(dates, start=1):
                if date is not None:
                    raster.set_band_description(index, date)
                    raster.update_tags(index, DATE=date)
        with new_file(path) as fresh:
            fresh.write_bytes(made.getbuffer())
    return path


def time_of(archive: Archive, month: int | None = None, date: str | None = None) -> int:
    """Return the index of the one time of a month of the year, or of a date.

    Raises:
        InputError: the data set has not exactly one such time.
    """
    if date is not None:
        known = [dates.find(text) for text in archive.dates]
        return dates.match(known, dates.parse(date), f"The data set {archive.name}")
    times = archive.times_of(() if month is None else (month,))
    if len(times) != 1:
        instead = ": name one of them with --date" if times else ""
        raise InputError(
            f"The data set {archive.name} has {len(times)} times in month {month}, not one{instead}."
        )
    return times[0]


def export(archive: Archive, folder: Path, time: int, view: View) -> dict[str, Path]:
    """Write one time's rasters.

    Args:
        archive: the data set.
        folder: made where it is missing.
        time: index of the time.
        view: what a released model sees; the climatology is made of its times, columns and cells alone.

    Returns:
        Name → path: `target`, `truth` and every source.
    """
    folder.mkdir(parents=True, exist_ok=True)
    date, crs, fine = archive.dates[time], archive.crs, archive.fine_transform
    told = f"{int(archive.months[time]):02d}"
    if len(archive.times_of((int(archive.months[time]),))) > 1:
        told = date.replace(":", "")  # no sign that a file's name may not have
    name = f"{archive.target_name}_{told}"
    paths = {
        "target": write_raster(
            folder / f"{name}_coarse.tif",
            archive.coarse[time][None],
            archive.transform,
            crs,
            archive.units,
            [date],
        ),
        "truth": write_raster(
            folder / f"{name}_truth.tif", archive.fine[time][None], fine, crs, archive.units, [date]
        ),
    }
    native = {raster.name: raster for raster in (archive.native(time) if archive.native else [])}
    for source in archive.sources.values():
        suffix = f"_{told}" if source.dynamic else ""
        path = folder / f"{source.name}{suffix}.tif"
        if source.traits.of_target:
            seen = _SeenBands(archive, view)
            write_raster(path, seen, fine, crs, archive.units, seen.dates)
        elif source.name in native:
            raster = native[source.name]
            write_raster(path, raster.values[None], raster.transform, crs, raster.units, [raster.date])
        elif source.values is not None:
            grid = fine if source.grid == "fine" else archive.transform
            values = source.values[time if source.values.shape[0] > 1 else 0]
            write_raster(path, values, grid, crs, source.units, [date] if source.dynamic else ())
        paths[source.name] = path
    return paths


class _SeenBands(Sequence[np.ndarray]):
    """The bands of a view's climatology, (h·k, w·k) each, NaN where its truth is kept from training."""

    def __init__(self, archive: Archive, view: View) -> None:
        bands, columns = view.climatology_bands(archive), view.climatology_columns
        self.dates, self._fields, self._factor = bands.dates, bands.fields, archive.factor
        self._columns = (0, archive.shape[1]) if columns is None else columns

    def __len__(self) -> int:
        return len(self._fields)

    def __getitem__(self, index: Any) -> Any:
        band = np.array(self._fields[index])
        first, last = (column * self._factor for column in self._columns)
        band[:, :first] = np.nan
        band[:, last:] = np.nan
        return band


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(prog="python -m training.data.export", description=__doc__.split("\n\n")[1])
    parser.add_argument("config", help="training configuration (YAML)")
    when = parser.add_mutually_exclusive_group(required=True)
    when.add_argument("--month", type=whole(1, 12), metavar="1..12", help="the one time in this month")
    when.add_argument("--date", help="the time of this date, such as 2014-11-05")
    parser.add_argument("--output", type=Path, required=True, help="folder for the rasters")
    options = parser.parse_args(arguments)
    config = load_config(options.config)
    archive = load_archive(config)
    view = split_archive(config, archive).test_view
    time = time_of(archive, options.month, options.date)
    for name, path in export(archive, options.output, time, view).items():
        print(f"{name}\t{path}")
    return 0


if __name__ == "__main__":
    main(run)
