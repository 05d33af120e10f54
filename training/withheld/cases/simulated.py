"""Snow depth and air temperature of the simulated mountains; given are elevation and vegetation."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from affine import Affine

from engine.files.atomic import new_file
from engine.files.root import ROOT
from engine.specs import TargetSpec
from training.simulation.parameters import Parameters, load_parameters
from training.simulation.run import Simulation
from training.withheld.cases.place import CasePlace
from training.withheld.problem import Covariate, HiddenCase, hidden_case

PARAMETERS = ROOT / "training" / "simulation" / "snow.yaml"
# Of the year that tests the model trained on the same simulation.
WINTER = ("2003-12-15", "2004-01-15", "2004-02-15", "2004-03-15", "2004-04-15")
SNOW = TargetSpec("snow_depth", "m", conservation="multiplicative")
AIR = TargetSpec("temperature", "degC")
DEPTH, AIR_TEMPERATURE, ELEVATION, NDVI, FOREST = "depth", "air", "elevation", "ndvi", "forest"
QUICK = 12  # coarse columns of 16 km that a quick run keeps


def snow(place: CasePlace, factor: int) -> HiddenCase:
    """Return the snow depth of winter dates."""
    return _case(place, factor, DEPTH, SNOW, "Snow depth", most=0.55 if factor == 32 else None)


def air(place: CasePlace, factor: int) -> HiddenCase:
    """Return the air temperature of winter dates; elevation alone is given."""
    return _case(place, factor, AIR_TEMPERATURE, AIR, "Air temperature")


def _case(
    place: CasePlace, factor: int, field: str, target: TargetSpec, title: str, most: float | None = None
) -> HiddenCase:
    parameters, fields = _simulated(place.kept)
    grid = parameters.grid
    columns = slice(0, QUICK * grid.factor if place.quick else None)
    dates = WINTER[1:3] if place.quick else WINTER
    times = [WINTER.index(date) for date in dates]
    given = [Covariate("elevation", "m", fields[ELEVATION][None, :, columns])]
    if field == DEPTH:
        given += [Covariate(name, "1", fields[name][None, :, columns]) for name in (NDVI, FOREST)]
    return hidden_case(
        f"{'snow' if field == DEPTH else 'air'}{factor}",
        fields[field][times][..., columns],
        factor,
        target,
        dates,
        given,
        Affine(grid.cell, 0, grid.left, 0, -grid.cell, grid.top),
        grid.crs,
        title=f"{title}, {factor * grid.cell / 1000:g} km to {grid.cell:g} m",
        origin="simulated",
        group=field,
        most=None if place.quick else most,
    )


def _simulated(folder: Path) -> tuple[Parameters, dict[str, np.ndarray]]:
    """Return the fields of the winter dates, from the folder where they have been made before.

    The first time takes some two minutes: the days before, from the spin-up on, are simulated too.
    """
    parameters = load_parameters(PARAMETERS)
    path = folder / f"simulated_{parameters.hash[:12]}_{WINTER[0]}.npz"
    if not path.is_file():
        with new_file(path, ".npz") as fresh:
            arrays: dict[str, Any] = _simulate(parameters)
            np.savez_compressed(fresh, **arrays)
    with np.load(path, allow_pickle=False) as file:
        return parameters, {name: file[name] for name in file.files}


@torch.no_grad()
def _simulate(parameters: Parameters) -> dict[str, np.ndarray]:
    run = Simulation(parameters)
    wanted = [dt.date.fromisoformat(date) for date in WINTER]
    depths, airs = [], []
    for date, kept in run.days():
        if date in wanted and kept is not None:
            depths.append(kept.depth)
            airs.append(run.air.numpy().copy())
        if date >= wanted[-1]:
            break
    return {
        DEPTH: np.stack(depths).astype(np.float32),
        AIR_TEMPERATURE: np.stack(airs).astype(np.float32),
        ELEVATION: run.surface.height.numpy().astype(np.float32),
        NDVI: run.plants.ndvi.astype(np.float32),
        FOREST: run.plants.forest.astype(np.float32),
    }
