"""Whether training's memory stays flat in the number of dates: peaks of many dates over those of few.

A made store is read from disk as one that is larger than memory would be (memory_gib: 0), with few dates
and with many; each command runs in a process of its own. What grows is what is kept of each date: its
coarse field and numbers by method. Inputs of the next steps lie in a file, as memory_gib: 0 says.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from engine.commands.options import Parser, whole
from training.bench.scale import peak_of
from training.console.command import main

CELLS, FACTOR = 24, 16  # coarse cells along an edge; fine cells along a coarse cell's
FEW, MANY = 60, 3_650  # dates
STEPS = 4
COMMANDS = {
    "training": ("training.train", "--quiet"),
    "evaluation": ("training.evaluate", "--no-trees", "--json"),
}


def made_store(folder: Path, dates: int) -> Path:
    """Write rasters of so many days and prepare them; returns the store."""
    from netCDF4 import Dataset

    raster, random = folder / f"days_{dates}.nc", np.random.default_rng(0)
    edge = CELLS * FACTOR
    pattern = random.normal(0, 3, (edge, edge)).astype(np.float32)
    with Dataset(raster, "w") as file:
        for name, size in (("time", dates), ("lat", edge), ("lon", edge)):
            file.createDimension(name, size)
            axis = file.createVariable(name, "f8", (name,))
            axis[:] = np.arange(size) if name == "time" else (np.arange(size) + 0.5) / FACTOR
        file["time"].units, file["lat"].units = "days since 2001-01-01", "degrees_north"
        file["lon"].units = "degrees_east"
        field = file.createVariable("tas", "f4", ("time", "lat", "lon"), chunksizes=(1, edge, edge))
        field.units = "degC"
        for date in range(dates):
            coarse = random.normal(10, 8, (CELLS, CELLS)).repeat(FACTOR, 0).repeat(FACTOR, 1)
            field[date] = coarse + pattern
    description = folder / f"days_{dates}.yaml"
    text = {
        **{"name": f"days{dates}", "title": "Days", "citation": "made", "licence": "CC0-1.0"},
        **{"simulated": True, "factor": FACTOR},
        "target": {"name": "tas", "units": "degC", "fine": {"files": str(raster), "variable": "tas"}},
    }
    description.write_text(yaml.safe_dump(text), encoding="utf-8")
    store = folder / f"days_{dates}.zarr"
    peak_of("training.prepare", str(description), "--output", str(store), "--quiet")
    raster.unlink()
    return store


def configuration(folder: Path, store: Path, dates: int, climatology: bool = False) -> Path:
    """Write the configuration of a short training on a store; the last quarter of the dates tests."""
    text = {
        "model": {
            **{"id": f"days{dates}", "name": "Days", "version": "1.0.0", "licence": "CC0-1.0"},
            "citation": "made",
        },
        "data": {"name": "store", "options": {"path": str(store), "memory_gib": 0}},
        "factor": FACTOR,
        "target": {"transform": "identity", "bounds": [None, None], "conservation": "additive"},
        "sources": [{"name": "climatology", "dropout": 0.2}] if climatology else [],
        "split": {"kind": "auto"},
        "network": {"widths": [8] * FACTOR.bit_length(), "boxes": [1] + [0] * (FACTOR.bit_length() - 1)},
        "base": "auto",
        "losses": {"adversarial": None},
        "sampling": {"size": 8, "batch": 2},
        "validation": {"every": STEPS},
        **{"steps": STEPS, "precision": "float32", "layout": "contiguous"},
    }
    path = folder / f"days_{dates}_config.yaml"
    path.write_text(yaml.safe_dump(text), encoding="utf-8")
    return path


def measure(few: int, many: int, climatology: bool = False) -> dict[str, float]:
    """Return the ratios of peaks, by command."""
    peaks: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory(prefix="msr-flat-") as name:
        folder = Path(name)
        for dates in (few, many):
            config = configuration(folder, made_store(folder, dates), dates, climatology)
            for command, (module, *options) in COMMANDS.items():
                given = (str(config), "--runs", str(folder / "runs"), "--threads", "1")
                seconds, peak = peak_of(module, *given, *options)
                peaks[command].append(peak)
                told = f"{command}, {dates} dates: {peak / 2**20:.0f} MB, {seconds:.0f} s"
                print(told, file=sys.stderr, flush=True)
    return {f"memory of {name}, many dates / few": many / few for name, (few, many) in peaks.items()}


def run(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the ratios as JSON."""
    parser = Parser(prog="python -m training.bench.flat", description=__doc__.split("\n\n")[1])
    parser.add_argument("--few", type=whole(30), default=FEW, help=f"dates of the short series ({FEW})")
    parser.add_argument("--many", type=whole(60), default=MANY, help=f"of the long one ({MANY})")
    parser.add_argument("--climatology", action="store_true", help="with a climatology as a source")
    options = parser.parse_args(arguments)
    print(json.dumps(measure(options.few, options.many, options.climatology), indent=1))
    return 0


if __name__ == "__main__":
    main(run)
