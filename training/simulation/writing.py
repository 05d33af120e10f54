"""A nature run as a store, in the layout of training.prepare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from affine import Affine
from odc.geo.geobox import GeoBox

from engine import dates
from engine.fields.conservation import aggregate
from training.data.store_format import COARSE, FINE
from training.preparation.array_statistics import ArrayStatistics
from training.preparation.building import Built
from training.preparation.layout import create, finish
from training.preparation.planning import StorePlan, Variable
from training.preparation.series import Layers
from training.preparation.store_size import check_room
from training.schema.dataset import Dataset
from training.simulation.parameters import Parameters
from training.simulation.run import Kept, Simulation

BLOCK = 32  # days written at a time, and of a chunk
EDGE = 8  # coarse cells of a chunk
UNITS = {
    "longwave": ("W m-2", "Downward long-wave radiation"),
    "shortwave": ("W m-2", "Downward short-wave radiation"),
    "precipitation": ("mm/day", "Precipitation"),
    "pressure": ("hPa", "Surface pressure"),
    "humidity": ("g/kg", "Specific humidity"),
    "temperature": ("degC", "Air temperature, 2 m"),
    "wind": ("m/s", "Wind speed"),
}
CITATION = "Simulated by training.simulate; nothing in it was measured."


def make_plan(parameters: Parameters) -> StorePlan:
    """Return the store's plan: grids, dates, arrays."""
    grid, period = parameters.grid, parameters.period
    size = grid.cell * grid.factor
    affine = Affine(size, 0, grid.left, 0, -size, grid.top)
    days = [day for day in period.dates if period.kept(day)]
    made = "training.simulate"
    sources: list[dict[str, Any]] = [
        {"name": name, "grid": "coarse", "dynamic": True, "units": units, "title": title, "files": made}
        for name, (units, title) in UNITS.items()
    ]
    sources += [
        {"name": "elevation", "grid": "fine", "units": "m", "title": "Elevation", "files": made},
        {"name": "ndvi", "grid": "fine", "units": "1", "title": "NDVI", "files": made},
    ]
    dataset = Dataset.model_validate(
        {
            "name": parameters.name,
            "title": parameters.title,
            "citation": CITATION,
            "licence": parameters.licence,
            "simulated": True,
            "factor": grid.factor,
            "target": {
                "name": "snow_depth",
                "title": "Snow depth, simulated",
                "units": "m",
                "fine": {"files": made},
            },
            "sources": sources,
        }
    )
    every, series = tuple(range(len(days))), Layers(made)
    variables = [Variable(FINE, dataset.target.title, "m", "fine", series, every)]
    variables += [
        Variable(s.name, s.title, s.units, s.grid, series, every if s.dynamic else None, s)
        for s in dataset.sources
    ]
    times = tuple(dates.parse(day.isoformat()) for day in days)
    return StorePlan(dataset, GeoBox(parameters.shape, affine, grid.crs), times, tuple(variables))


def write(
    parameters: Parameters, run: Simulation, path: Path, days: Callable[[Iterable[Any]], Iterable[Any]]
) -> tuple[StorePlan, Built]:
    """Run through all days and write the store.

    Args:
        parameters, run: the nature run, at its beginning.
        path: of the new store.
        days: goes through the days; shows progress.

    Returns:
        The plan, and what was counted on the way.
    """
    plan = make_plan(parameters)
    check_room(plan, path.parent / f"{parameters.name}.zarr")
    store = create(plan, path, BLOCK, 10**6, EDGE * parameters.grid.factor)
    built = Built()
    for variable in plan.variables:
        built.statistics[variable.name] = ArrayStatistics(1 if variable.indices is None else len(plan.times))
    built.statistics[COARSE] = ArrayStatistics(len(plan.times))
    static = {"elevation": run.surface.height.numpy(), "ndvi": run.plants.ndvi}
    for name, values in static.items():
        store[name][:] = values
        built.statistics[name].add(0, values[None])
    first, block = 0, []
    for _, kept in days(run.days()):
        if kept is not None:
            block.append(kept)
        if len(block) == BLOCK:
            _write_block(store, built, parameters, first, block)
            first, block = first + BLOCK, []
    if block:
        _write_block(store, built, parameters, first, block)
    statistics = {
        name: {"covered": numbers.covered, "mean": numbers.mean, "actual_range": list(numbers.range or ())}
        for name, numbers in built.statistics.items()
    }
    learnt = {
        "remarks": [CITATION],
        "missing": {},
        "parameters": parameters.model_dump_json(exclude={"sha256"}),
        "parameters_sha256": parameters.hash,
    }
    finish(path, statistics, learnt)
    return plan, built


def _write_block(store: Any, built: Built, parameters: Parameters, first: int, block: list[Kept]) -> None:
    depth = np.stack([kept.depth for kept in block])
    coarse = aggregate(torch.from_numpy(depth), parameters.grid.factor).numpy()
    fields = {FINE: depth, COARSE: coarse}
    fields.update({name: np.stack([kept.forcings[name] for kept in block]) for name in UNITS})
    for name, values in fields.items():
        store[name][first : first + len(block)] = values
        built.statistics[name].add(first, values)
