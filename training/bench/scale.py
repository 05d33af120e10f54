"""Whether memory stays flat and workers add up where runs are large: ratios measured in one go.

Peak memory of many dates against few and of a large output against a small one, in parts of one process;
parts a second with two workers on this machine against one. Sizes can be made smaller for a look.
"""

from __future__ import annotations

import json
import subprocess  # nosec B404: measures fresh processes; argument list, no shell
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import rasterio
from affine import Affine

from engine.commands.options import Parser, whole
from engine.files.root import ROOT
from training.console.command import main

FACTOR = 20
DATES, CELLS = 10_950, 48  # thirty years of days; coarse cells along an edge
FEW = 30  # dates
LARGE, SMALL = 65_536, 4_096  # fine cells along an edge
_CHUNK = 256  # cells along an edge of a chunk of the input: what is less cannot be read alone
_LOOK = 0.05  # seconds between looks at the memory
_STEPS = 480  # dates of the run that workers share
_WORK = "rainitur8"  # a network: the work of a worker is computing


def coarse_raster(folder: Path, cells: int, dates: int) -> Path:
    """Write a field of some months or days as a NetCDF, in chunks as large ones have, and each date apart."""
    from netCDF4 import Dataset

    path = folder / f"coarse_{cells}_{dates}.nc"
    random = np.random.default_rng(0)
    with Dataset(path, "w") as file:
        for name, size in (("time", dates), ("lat", cells), ("lon", cells)):
            file.createDimension(name, size)
            axis = file.createVariable(name, "f8", (name,))
            axis[:] = np.arange(size) if name == "time" else (np.arange(size) + 0.5) * 60 / cells
        file["time"].units, file["lat"].units, file["lon"].units = (
            "days since 1991-01-01",
            "degrees_north",
            "degrees_east",
        )
        chunk = 1, min(cells, _CHUNK), min(cells, _CHUNK)
        field = file.createVariable("tas", "f4", ("time", "lat", "lon"), chunksizes=chunk)
        field.units = "degC"
        for date in range(dates):
            field[date] = random.normal(10, 8, (cells, cells))
    return path


def monthly_raster(folder: Path) -> Path:
    """Write months of rain on 2° for the model."""
    path, values = folder / "rain.tif", np.random.default_rng(1).gamma(2.0, 30, (_STEPS, 60, 70))
    grid = {"width": 70, "height": 60, "count": _STEPS, "dtype": "float32", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", driver="GTiff", transform=Affine(2, 0, 0, 0, -2, 60), **grid) as file:
        file.write(values.astype(np.float32))
        file.units = ("mm/month",) * _STEPS
        for band in range(_STEPS):
            file.update_tags(band + 1, DATE=f"{2000 + band // 12}-{band % 12 + 1:02d}")
    return path


def run_of(*words: str) -> tuple[float, float]:
    """Run the engine's main command; see `peak_of`."""
    return peak_of("engine", "super-resolve", *words)


def peak_of(module: str, *words: str) -> tuple[float, float]:
    """Run a command; return the seconds that it took and the peak of its memory, in bytes.

    The memory is that of the process and of all below it together.
    """
    command = [sys.executable, "-s", "-m", module, *words]
    begin, peak = time.monotonic(), 0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:  # nosec B603: no shell
        own = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                held = [own, *own.children(recursive=True)]
                peak = max(peak, sum(each.memory_info().rss for each in held))
            except psutil.NoSuchProcess:
                pass
            time.sleep(_LOOK)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}")
    return time.monotonic() - begin, float(peak)


def measure(dates: int, large: int, parts: bool) -> dict[str, float]:
    """Return the figures."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="msr-scale-") as name:
        folder = Path(name)

        def peak(cells: int, many: int) -> float:
            target = coarse_raster(folder, cells, many)
            output = folder / f"fine_{cells}_{many}.zarr"
            words = ("--model", "bicubicsmooth", "--factor", str(FACTOR), "--quantity", "signed", "--all")
            seconds, most = run_of(
                *words, *("--target", str(target), "--output", str(output), "--zarr-format", "3")
            )
            print(
                f"scale: {cells}×{cells} cells, {many} dates: {most / 2**20:.0f} MB, {seconds:.0f} s",
                file=sys.stderr,
            )
            return most

        few = peak(CELLS, FEW)
        figures["memory, many dates / few"] = peak(CELLS, dates) / few
        small = peak(SMALL // FACTOR, 1)
        figures["memory, large output / small"] = peak(large // FACTOR, 1) / small
        if parts:
            rain, taken = monthly_raster(folder), {}
            for workers in (1, 2):
                words = ["--model", _WORK, "--target", str(rain), "--precision", "float32", "--threads", "1"]
                words += ["--cluster", f"local:{workers}", "--output", str(folder / f"fine_{workers}.zarr")]
                words += ["--zarr-format", "3"]  # as large runs do: the parts are the output
                # A short run first, so that what it takes to start does not count.
                spans = [f"2000-01..{2000 + count // 12 - 1}-12" for count in (_STEPS // 4, _STEPS)]
                seconds = [run_of(*words, "--date", span)[0] for span in spans]
                taken[workers] = seconds[1] - seconds[0]
            figures["parts a second, two workers / one"] = taken[1] / taken[2]
    return figures


def run(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the ratios as JSON."""
    parser = Parser(prog="python -m training.bench.scale", description=__doc__.split("\n\n")[1])
    parser.add_argument("--dates", type=whole(FEW), default=DATES, help=f"of the long run ({DATES})")
    parser.add_argument("--fine", type=whole(SMALL), default=LARGE, help=f"fine cells of an edge ({LARGE})")
    parser.add_argument("--no-workers", action="store_true", help="leave the workers out")
    options = parser.parse_args(arguments)
    print(json.dumps(measure(options.dates, options.fine, not options.no_workers), indent=1))
    return 0


if __name__ == "__main__":
    main(run)
