"""A problem's rasters, as a person would have them: a coarse stack with dates, and covariates."""

from __future__ import annotations

from pathlib import Path

from engine.raster.reference import RasterRef
from training.data.export import write_raster
from training.withheld.problem import Problem

TARGET = "target"


def write_problem(problem: Problem, folder: Path) -> dict[str, RasterRef]:
    """Write the GeoTIFFs that methods of the engine are given.

    Args:
        problem: what they may see; it holds no truth.
        folder: for the files; made if it is not there.

    Returns:
        The rasters by name of source, and the coarse stack as `target`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = problem.target
    written = {
        TARGET: write_raster(
            folder / f"{target.name}_coarse.tif",
            problem.coarse,
            problem.transform,
            problem.crs,
            target.units,
            problem.dates,
        )
    }
    for covariate in problem.covariates:
        written[covariate.name] = write_raster(
            folder / f"{covariate.name}.tif",
            covariate.values,
            problem.fine_transform,
            problem.crs,
            covariate.units,
            problem.dates if covariate.dynamic else (),
        )
    return {name: RasterRef(str(path)) for name, path in written.items()}
