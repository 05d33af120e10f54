"""Write a store without its values, in the layout that `training.data.store_format` tells of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from engine.dates import STANDARD, When
from engine.raster.georeference import crs_of, crs_wkt
from engine.time_axis import instant
from training.data.store_format import COARSE, VERSION
from training.preparation.planning import StorePlan, Variable


def create(plan: StorePlan, path: Path, times: int, coarse_edge: int, fine_edge: int) -> Any:
    """Create the store without its values; returns the open Zarr group.

    Args:
        plan: the data set, laid out.
        path: of the new store.
        times, coarse_edge, fine_edge: of a chunk.
    """
    import dask.array as da
    import xarray
    import zarr

    fields: dict[str, Any] = {}

    def add(name: str, grid: str, dynamic: bool, channels: int, attributes: Mapping[str, Any]) -> None:
        shape, chunks, dims = [], [], []
        if dynamic:
            shape, chunks, dims = [len(plan.times)], [times], ["time"]
        if channels:
            shape, chunks, dims = [*shape, channels], [*chunks, channels], [*dims, f"{name}_channel"]
        fine = grid == "fine"
        edge = fine_edge if fine else coarse_edge
        size = tuple(plan.fine.shape if fine else plan.coarse.shape)
        shape, chunks = [*shape, *size], [*chunks, *(min(edge, n) for n in size)]
        dims += ["fine_y", "fine_x"] if fine else ["y", "x"]
        empty = da.full(tuple(shape), np.float32(np.nan), chunks=tuple(chunks), dtype=np.float32)
        fields[name] = (dims, empty, {**attributes, "grid_mapping": "spatial_ref"})

    for variable in plan.variables:
        channels = variable.series.channels if variable.series.traits.stacked else 0
        add(variable.name, variable.grid, variable.indices is not None, channels, _attributes(variable))
    target = plan.dataset.target
    if target.mode == "aggregate":
        fine = plan.variables[0]
        name = f"{fine.title}, mean of the fine cells"
        add(COARSE, "coarse", True, 0, {"long_name": name, "units": fine.units})
        # Means come whole in space, so the chunks are.
        dims, empty, attributes = fields[COARSE]
        fields[COARSE] = (dims, empty.rechunk((times, -1, -1)), attributes)
    mapping = {"crs_wkt": crs_wkt(plan.coarse), "spatial_ref": crs_wkt(plan.coarse)}
    coordinates = {
        **_axes(plan.coarse, ""),
        **_axes(plan.fine, "fine_"),
        "time": ("time", *_time(plan.times)),
        "date": ("time", np.array([str(t) for t in plan.times], dtype="U16")),
        "spatial_ref": ((), np.int32(0), mapping),
    }
    dataset = xarray.Dataset(fields, coordinates, _global(plan))
    dataset.to_zarr(path, mode="w", compute=False, zarr_format=2, consolidated=False)
    return zarr.open_group(str(path), mode="r+")


def finish(path: Path, attributes: Mapping[str, Mapping[str, Any]], learnt: Mapping[str, Any]) -> None:
    """Write what was learnt while the store was filled, and gather its metadata in one place.

    Args:
        path: of the store.
        attributes: more attributes of arrays, by name.
        learnt: more attributes of the group.
    """
    import zarr

    group = zarr.open_group(str(path), mode="r+")
    for name, more in attributes.items():
        group[name].attrs.update(more)
    group.attrs.update(learnt)
    zarr.consolidate_metadata(str(path))


def _attributes(variable: Variable) -> dict[str, Any]:
    series = variable.series
    kept: dict[str, Any] = {"long_name": variable.title, "kind": series.kind, "files": series.described}
    if series.traits.scalar:
        kept["units"] = variable.units
    if series.classes:
        kept["classes"] = list(series.classes)
    return kept


def _axes(grid: GeoBox, prefix: str) -> dict[str, Any]:
    affine, (rows, columns) = grid.affine, grid.shape
    crs = crs_of(grid)
    geographic = crs.geographic
    names = (
        ("latitude", "longitude") if geographic else ("projection_y_coordinate", "projection_x_coordinate")
    )
    units = ("degrees_north", "degrees_east") if geographic else (crs.units[0], crs.units[1])
    y = affine.f + affine.e * (np.arange(rows) + 0.5)
    x = affine.c + affine.a * (np.arange(columns) + 0.5)
    return {
        f"{prefix}y": (f"{prefix}y", y, {"standard_name": names[0], "units": units[0], "axis": "Y"}),
        f"{prefix}x": (f"{prefix}x", x, {"standard_name": names[1], "units": units[1], "axis": "X"}),
    }


def _time(times: tuple[When, ...]) -> tuple[np.ndarray, dict[str, str]]:
    """Return days or minutes from 1970 to the first that a date may mean; numbers where years are unknown."""
    if any(t.year is None for t in times):
        return np.arange(len(times)), {"long_name": "number of the time"}
    calendar = calendar_of(times)
    start = instant(When(1970, 1, 1, calendar=calendar))
    seconds = np.array([instant(replace(t, calendar=calendar)) for t in times]) - start
    unit, length = ("days", 86400) if all(t.hour is None for t in times) else ("minutes", 60)
    units = {"units": f"{unit} since 1970-01-01", "calendar": calendar, "standard_name": "time"}
    return np.round(seconds / length).astype(np.int64), units


def calendar_of(times: Sequence[When]) -> str:
    """Return the calendar of dates; those of a store are all of one."""
    special = [t.calendar for t in times if t.calendar not in (STANDARD, "proleptic_gregorian")]
    return special[0] if special else "proleptic_gregorian"


def _global(plan: StorePlan) -> dict[str, Any]:
    dataset = plan.dataset
    return {
        "Conventions": "CF-1.10",
        "msr_store": VERSION,
        "name": dataset.name,
        "title": dataset.title,
        "citation": dataset.citation,
        "licence": dataset.licence,
        "simulated": dataset.simulated,
        "factor": dataset.factor,
        "mode": dataset.target.mode,
        "weights": dataset.target.weights,
        "target": dataset.target.name,
        "target_title": dataset.target.title or dataset.target.name,
        "units": plan.variables[0].units,
        "crs": _crs(plan.coarse),
        "transform": list(plan.coarse.affine)[:6],
        "shape": list(plan.coarse.shape),
        "dataset": json.dumps(dataset.model_dump(mode="json")),
        "sources": [
            {
                "name": v.name,
                "title": v.title,
                "units": v.units,
                "grid": v.grid,
                "kind": v.series.kind,
                "dynamic": v.indices is not None,
                "classes": list(v.series.classes),
            }
            for v in plan.variables
            if v.source is not None
        ],
    }


def _crs(grid: GeoBox) -> str:
    code = crs_of(grid).to_epsg()
    return f"EPSG:{code}" if code else crs_wkt(grid)
