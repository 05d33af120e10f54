"""`python -m training.data.export CONFIG.yaml --month M --output DIR`: a data set's rasters as GeoTIFFs.

Writes what a person would feed to the model for one month: the coarse target, the sources in their
own grids, the climatology with one dated band for each training month; and the fine truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.io import MemoryFile

from engine.commands.options import Parser, whole
from engine.errors import InputError
from engine.files.atomic import new_file
from training.console.command import main
from training.data.archive import Archive
from training.data.readers import load_archive
from training.schema.config import load_config


def write_raster(
    path: Path,
    bands: np.ndarray,
    transform: Affine,
    crs: str,
    units: str,
    dates: Sequence[str | None] = (),
) -> Path:
    """Write (C, H, W) float32, NaN as nodata; a band's date goes into its tag DATE and its name."""
    count, height, width = bands.shape
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
        ) as raster:
            raster.write(bands.astype(np.float32))
            raster.units = [units] * count
            for index, date in enumerate(dates, start=1):
                if date is not None:
                    raster.set_band_description(index, date)
                    raster.update_tags(index, DATE=date)
        with new_file(path) as fresh:
            fresh.write_bytes(made.getbuffer())
    return path


def export(archive: Archive, folder: Path, month: int, training_months: Sequence[int]) -> dict[str, Path]:
    """Write one month's rasters.

    Returns:
        Name → path: `target`, `truth` and every source.

    Raises:
        InputError: the data set has not exactly one time in that month.
    """
    times = archive.times_of((month,))
    if len(times) != 1:
        raise InputError(f"The data set {archive.name} has {len(times)} times in month {month}, not one.")
    time = times[0]
    folder.mkdir(parents=True, exist_ok=True)
    date, crs, fine = archive.dates[time], archive.crs, archive.fine_transform
    name = f"{archive.target_name}_{month:02d}"
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
        suffix = f"_{month:02d}" if source.dynamic else ""
        path = folder / f"{source.name}{suffix}.tif"
        if source.traits.of_target:
            bands = archive.times_of(tuple(training_months))
            dates = [archive.dates[t] for t in bands]
            write_raster(path, archive.fine[bands], fine, crs, archive.units, dates)
        elif source.name in native:
            raster = native[source.name]
            write_raster(path, raster.values[None], raster.transform, crs, raster.units, [raster.date])
        elif source.values is not None:
            grid = fine if source.grid == "fine" else archive.transform
            values = source.values[time if source.values.shape[0] > 1 else 0]
            write_raster(path, values, grid, crs, source.units, [date] if source.dynamic else ())
        paths[source.name] = path
    return paths


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(prog="python -m training.data.export", description=__doc__.split("\n\n")[1])
    parser.add_argument("config", help="training configuration (YAML)")
    parser.add_argument("--month", type=whole(1, 12), required=True, metavar="1..12")
    parser.add_argument("--output", type=Path, required=True, help="folder for the rasters")
    options = parser.parse_args(arguments)
    config = load_config(options.config)
    archive = load_archive(config)
    for name, path in export(archive, options.output, options.month, config.split.train_months).items():
        print(f"{name}\t{path}")
    return 0


if __name__ == "__main__":
    main(run)
