"""The cascade, as a person trains it who has a coarse stack and covariates, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from engine.feedback import Silent
from engine.nets.spec import stage_factors
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef
from engine.source_kinds import KINDS
from training.cascade.train import train
from training.preparation.prepare import prepare
from training.schema.config import parse_config
from training.withheld.engine_methods import MadeField, bands
from training.withheld.problem import Problem
from training.withheld.rasters import TARGET

CASCADE = "cascade"


def run_cascade(problem: Problem, rasters: Mapping[str, RasterRef], folder: Path) -> MadeField:
    """Prepare a store of the rasters, train a cascade on it, and run its package.

    Args:
        problem: what may be seen.
        rasters: of `write_problem`.
        folder: for store, run and result.

    Raises:
        InputError: the factor is no product of 2, 3 and 5; or too little is known to learn from.
    """
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dataset.yaml"
    path.write_text(yaml.safe_dump(_dataset(problem, rasters)), encoding="utf-8")
    prepare(path, folder / "store.zarr", overwrite=True)
    config = parse_config(_configuration(problem, folder))
    package = train(config, folder / "runs", quiet=True)
    output = folder / "fine.tif"
    request = SuperResolveRequest(
        model=str(package.folder),
        target=rasters[TARGET],
        output=str(output),
        sources={name: raster for name, raster in rasters.items() if name != TARGET},
        all_dates=True,
        device="cpu",
    )
    super_resolve(request, Silent())
    shares = package.card.shares
    told = "detail × " + ", ".join(f"{share:.2g}" for share in shares) if shares else ""
    return MadeField(bands(output), time.monotonic() - started, chosen=told)


def _dataset(problem: Problem, rasters: Mapping[str, RasterRef]) -> dict[str, Any]:
    """Return the description of the data set, as `training.prepare` reads it."""
    target = problem.target
    sources = []
    for covariate in problem.covariates:
        entry: dict[str, Any] = {"name": covariate.name, "units": covariate.units, "grid": "fine"}
        entry |= {"files": rasters[covariate.name].path, "dynamic": covariate.dynamic, "kind": covariate.kind}
        if KINDS[covariate.kind].wants_classes:
            values = covariate.values[np.isfinite(covariate.values)]
            entry["classes"] = [int(value) for value in np.unique(values)]
        sources.append(entry)
    coarse = {"files": rasters[TARGET].path, "file_units": target.units}
    return {
        "name": problem.name,
        "title": problem.name,
        "citation": "see training.withheld",
        "licence": "not to be passed on",
        "factor": problem.factor,
        "target": {"name": target.name, "units": target.units, "coarse": coarse},
        "sources": sources,
    }


def _configuration(problem: Problem, folder: Path) -> dict[str, Any]:
    """Return a configuration that says no more than it must."""
    return {
        "model": {
            "id": CASCADE,
            "name": problem.name,
            "version": "1.0.0",
            "licence": "none",
            "citation": "none",
        },
        "data": {"name": "store", "options": {"path": str(folder / "store.zarr")}},
        "factor": problem.factor,
        "cascade": {"steps": sorted(set(stage_factors(problem.factor)))},
        "sources": [{"name": covariate.name} for covariate in problem.covariates],
    }
