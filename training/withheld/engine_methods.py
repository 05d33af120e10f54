"""Methods of the engine on a case's rasters, through the pipeline that users run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio

from engine.feedback import Silent
from engine.methods.registry import BASELINES
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef
from training.withheld.problem import Problem
from training.withheld.rasters import TARGET

REFERENCE = "bicubicsmooth"
PLAIN = {"bilinear", "bicubic", REFERENCE}  # they take no source; all others take what they need, or all
EXPECTED_ERROR, SUPPORT = "expected_error", "support"  # of a run's further outputs


@dataclass(frozen=True)
class MadeField:
    """What a method made of a problem.

    Attributes:
        values: (T, h·k, w·k) float32.
        seconds: that it took.
        expected_error: the root mean square error that it expects, cell by cell, where it tells one.
        support: the share of the detail that it takes for supported, where it tells one.
        chosen: the setting that was taken, in words.
    """

    values: np.ndarray
    seconds: float
    expected_error: np.ndarray | None = None
    support: np.ndarray | None = None
    chosen: str = ""


def suits(id: str, problem: Problem) -> bool:
    """Return whether a method of the engine can do a problem: it has the sources and is for the quantity."""
    info = BASELINES[id]
    given = {covariate.name for covariate in problem.covariates}
    return set(info.needs) <= given and info.suits(problem.target)


def run_engine(id: str, problem: Problem, rasters: Mapping[str, RasterRef], output: Path) -> MadeField:
    """Run a method of the engine on written rasters, exactly conserved.

    Args:
        id: of the method.
        problem: for dates, factor and quantity.
        rasters: of `write_problem`.
        output: the raster to write.

    Raises:
        InputError: the method refuses a raster.
    """
    info = BASELINES[id]
    needs = info.needs
    sources = {
        name: raster
        for name, raster in rasters.items()
        if name != TARGET and id not in PLAIN and (not needs or name in needs)
    }
    if info.any_sources:
        kinds = {covariate.name: covariate.kind for covariate in problem.covariates}
        sources = {name: replace(raster, kind=kinds[name]) for name, raster in sources.items()}
    request = SuperResolveRequest(
        model=id,
        target=rasters[TARGET],
        output=str(output),
        sources=sources,
        factor=problem.factor,
        quantity="nonnegative" if problem.target.nonnegative else "signed",
        all_dates=True,
        conservation=1.0,
        device="cpu",
        expected_error=str(output.with_suffix(".error.tif")) if info.tells_error else None,
        supported_share=str(output.with_suffix(".share.tif")) if info.tells_error else None,
    )
    result = super_resolve(request, Silent())
    further = {name: bands(Path(path)) for name, path in result.outputs.items()}
    return MadeField(bands(output), result.seconds, further.get(EXPECTED_ERROR), further.get(SUPPORT))


def bands(path: Path) -> np.ndarray:
    """Return all bands of a raster, (T, H, W) float32, NaN where there is no value."""
    with rasterio.open(path) as raster:
        values: np.ndarray = raster.read(masked=True).astype(np.float32).filled(np.nan)
    return values
