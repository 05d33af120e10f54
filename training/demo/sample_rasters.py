"""`python -m training.demo.sample_rasters`: the simulated rasters that the plugin brings to try things with.

Ground, greenness and the monthly mean temperature of a country that does not exist, from a seed. Nothing was
measured. The temperature follows height and greenness, and has detail of its own that neither of them tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from engine.commands.options import Parser
from engine.files.root import ROOT
from engine.raster.written.raster_writer import RasterWriter
from training.console.command import main
from training.simulation.noise import band_noise
from training.simulation.terrain import fractal_noise

FOLDER = ROOT / "resources" / "sample"
SEED, FACTOR = 20, 8
ROWS, COLUMNS = 192, 240  # fine cells
CELL = 0.5  # km
LEFT, TOP, CRS = 400_000.0, 5_200_000.0, "EPSG:32632"  # metres
DATES = ("2021-01", "2021-04", "2021-07")
ALOFT = (2.0, 11.0, 21.0)  # mean temperature at sea level on the dates, degrees Celsius
LAPSE = (-0.0045, -0.0060, -0.0068)  # degrees per metre
GREEN = (0.0, -1.0, -3.0)  # degrees from bare to green
OWN = 0.3  # deviation of the detail that no covariate tells, degrees
STEPS = 16  # values are kept to so many parts of a unit, which makes the files small
Fields = Mapping[str, NDArray[np.float32]]


def simulate() -> Fields:
    """Return elevation (m) and greenness, (rows, columns), and temperature (°C), (dates, rows, columns)."""
    rng = np.random.default_rng(SEED)
    shape = ROWS, COLUMNS
    rough = fractal_noise(rng, shape, CELL, 48.0, 0.9)
    height = np.maximum(0.0, 900 + 650 * rough)
    wet = fractal_noise(rng, shape, CELL, 32.0, 0.5)
    green = 1 / (1 + np.exp(-(1.2 * wet + 1.0 - (height - 900) / 700)))
    temperature = []
    for level, lapse, cooling in zip(ALOFT, LAPSE, GREEN, strict=True):
        weather = 1.2 * band_noise(rng, shape, CELL, 60.0)
        own = OWN * fractal_noise(rng, shape, CELL, 12.0, 0.5)
        temperature.append(level + lapse * height + cooling * green + weather + own)
    fields = {"elevation": height, "greenness": green, "temperature": np.stack(temperature)}
    steps = {"elevation": 1, "greenness": 50, "temperature": STEPS}
    return {name: (np.round(x * steps[name]) / steps[name]).astype(np.float32) for name, x in fields.items()}


def write(folder: Path) -> list[Path]:
    """Write the rasters; return their files: coarse temperature, elevation, greenness, fine temperature."""
    fields = simulate()
    fine = fields["temperature"]
    dates, rows, columns = fine.shape
    coarse = fine.reshape(dates, rows // FACTOR, FACTOR, columns // FACTOR, FACTOR).mean((2, 4))
    return [
        _file(folder, "simulated_temperature_coarse", coarse, CELL * FACTOR, "degC", DATES),
        _file(folder, "simulated_elevation", fields["elevation"][None], CELL, units="m"),
        _file(folder, "simulated_greenness", fields["greenness"][None], CELL, units="1"),
        _file(folder, "simulated_fine_temperature", fine, CELL, "degC", DATES),
    ]


def _file(
    folder: Path, name: str, values: NDArray[np.floating], cell: float, units: str, dates: Sequence[str] = ()
) -> Path:
    bands, rows, columns = values.shape
    path = folder / f"{name}.tif"
    transform = Affine(cell * 1000, 0, LEFT, 0, -cell * 1000, TOP)
    what = name.removeprefix("simulated_").replace("_", " ")
    tags = {"TIFFTAG_IMAGEDESCRIPTION": f"Simulated {what}: nothing was measured", "MSR_SIMULATED": "yes"}
    names = [f"{what} {date}" for date in dates] or [what]
    with RasterWriter(
        path,
        columns,
        rows,
        transform,
        CRS,
        bands,
        band_names=names,
        tags=tags,
        units=units,
        band_tags=[{"DATE": date} for date in dates],
    ) as file:
        file.write(values.astype(np.float32), 0, 0)
    return path


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(
        prog="python -m training.demo.sample_rasters",
        description="Simulate the rasters that the plugin brings to try things with: nothing was measured.",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where they go (resources/sample)")
    for path in write(parser.parse_args(arguments).folder):
        print(f"{path} ({path.stat().st_size / 1000:.0f} kB)")
    return 0


if __name__ == "__main__":
    main(run)
