"""`data: {name: store, options: {path: …}}`: a store that `training.prepare` has made, as an archive.

Arrays that fit into memory are read at once; the larger ones stay on disk and are read window by
window. The coarse target is always in memory: it is the size of the archive over factor². Statistics
of the truth, fits and scores take it a date, or a few, at a time.

A store without a fine truth teaches one level up: the coarse field is what has to be found, from
its own means over factor × factor cells; fine sources are averaged onto the coarse grid, coarse
ones onto the new, coarser one. The store's own factor does not matter then. `as_given` returns such
a store as it is, with a truth that is missing everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from affine import Affine
from odc.geo.geobox import GeoBox

from engine import dates
from engine.compute.memory import system_memory
from engine.errors import InputError
from engine.fields.conservation import aggregate
from engine.raster.cf.store_contents import check_store
from engine.raster.cf.variables import local_store
from engine.raster.georeference import crs_of
from engine.raster.grids import cell_sizes, refine, relative_area
from engine.source_kinds import KINDS
from training.data.archive import Archive, ArchiveSource, crop
from training.data.lazy import EveryNth, FourAxes, LazyArray
from training.data.repeats import repeated
from training.data.store_format import COARSE, FINE, VERSION
from training.data.whole_store import StoreArray, StoreState, same_store, store_state, whole_store

SHARE = 0.4  # of the memory that is free


def load(
    factor: int,
    path: str,
    memory_gib: float | None = None,
    region: Sequence[float] | None = None,
    every: int = 1,
    sha256: str | None = None,
) -> Archive:
    """Return the archive in a store.

    Args:
        factor: fine cells along a coarse cell's edge; the store's own, where it has a fine truth.
        path: of the store, from the working folder.
        memory_gib: how much of it may be held in memory; by default a part of what is free.
        region: xmin, ymin, xmax, ymax of a part, on edges of coarse cells.
        every: 1 for all dates, 5 for every fifth one, from the first on.
        sha256: of the parameters of a simulated store.

    Raises:
        InputError: no store, one of another version, another factor or other parameters, or dates
            without months.
    """
    with whole_store(path):
        archive = _load(factor, path, memory_gib, every, sha256)
    return archive if region is None else crop(archive, region)


def _load(factor: int, path: str, memory_gib: float | None, every: int, sha256: str | None) -> Archive:
    _, attributes = _open(path)
    own, coarse_only = int(attributes["factor"]), str(attributes["mode"]) == "coarse"
    if not coarse_only and factor != own:
        raise InputError(f"factor: the store {path} has factor {own}, not {factor}.")
    if sha256 is not None and attributes.get("parameters_sha256") != sha256:
        raise InputError(
            f"data.options.sha256: the store {path} was not simulated with these parameters: make it again."
        )
    archive = as_given(path, memory_gib, every)
    if coarse_only:
        archive = one_level_up(archive, factor, attributes["weights"] == "area")
    return archive


def as_given(path: str, memory_gib: float | None = None, every: int = 1) -> Archive:
    """Return the archive in a store at its own factor; without a fine truth, its truth is all missing.

    Raises:
        InputError: as `load`.
    """
    opened = store_state(path)
    with whole_store(path):
        archive = _as_given(path, memory_gib, every, opened)
        same_store(path, opened)
        return archive


def _as_given(path: str, memory_gib: float | None, every: int, opened: StoreState) -> Archive:
    group, attributes = _open(path)
    own = int(attributes["factor"])
    _check_shapes(group, attributes)
    if every < 1:
        raise InputError("data.options.every must be 1 or more.")
    if memory_gib is not None and not memory_gib >= 0:
        raise InputError("data.options.memory_gib must be 0 or more.")
    calendar = str(group["time"].attrs.get("calendar", "standard")) if "time" in group else "standard"
    times = [replace(dates.parse(str(text)), calendar=calendar) for text in group["date"][:][::every]]
    undated = next((w for w in times if w.month is None), None)
    if undated is not None:
        raise InputError(
            f"data.options.path: the dates of {path} name no month ({undated}), which training looks at: "
            f"give the rasters dates with one (date, band_dates) and prepare them again."
        )
    budget = int(memory_gib * 2**30) if memory_gib is not None else int(SHARE * system_memory())
    names = [str(s["name"]) for s in attributes["sources"]]
    dynamic = {COARSE, FINE, *(str(s["name"]) for s in attributes["sources"] if s["dynamic"])}
    held: dict[str, Any] = {}
    for name in (COARSE, *([FINE] if FINE in group else []), *names):
        array = StoreArray(group[name], path, opened)
        held[name] = EveryNth(array, every) if every > 1 and name in dynamic else array
    arrays = _arrays(held, budget)
    grid = GeoBox(tuple(attributes["shape"]), Affine(*attributes["transform"]), attributes["crs"])
    fine_grid, area = refine(grid, own), attributes["weights"] == "area"
    sources = {s["name"]: _source(s, arrays[str(s["name"])]) for s in attributes["sources"]}
    truth = arrays.get(FINE)
    if truth is None:  # one number that stands for all
        truth = np.broadcast_to(np.float32(np.nan), (len(times), *fine_grid.shape))
    else:
        if not isinstance(truth, np.ndarray):
            truth = LazyArray(truth)
        title = f"{attributes['target_title']}, climatology"
        units = str(attributes["units"])
        sources["climatology"] = ArchiveSource("climatology", units, "fine", title, kind="climatology")
    return Archive(
        name=str(attributes["name"]),
        title=str(attributes["title"]),
        citation=str(attributes["citation"]),
        simulated=bool(attributes["simulated"]),
        factor=own,
        target_name=str(attributes["target"]),
        target_title=str(attributes["target_title"]),
        units=str(attributes["units"]),
        weights=str(attributes["weights"]),
        months=np.array([w.month for w in times]),
        days=np.array([w.day_of_year for w in times]),
        dates=tuple(str(w) for w in times),
        hours=None if all(w.hour is None for w in times) else np.array([_hour(w) for w in times]),
        period=f"{times[0]} to {times[-1]}",
        coarse=arrays[COARSE],
        fine=truth,
        transform=grid.affine,
        crs=str(attributes["crs"]),
        wrap=_round_the_world(grid),
        cell_size=cell_sizes(fine_grid),
        area=relative_area(fine_grid) if area else None,
        sources=sources,
    )


def one_level_up(archive: Archive, step: int, area: bool) -> Archive:
    """Return an archive whose truth is the coarse field of another, and whose coarse field is its aggregate.

    Blocks at the lower and right edges that are not whole are filled with missing cells. The truth is
    missing in every block that has a missing cell, since what is made there is held to a mean over all
    of the block's cells; and in cells that repeat a neighbour (see `training.data.repeats`).

    Args:
        archive: with a coarse field that is all that is known.
        step: cells of the coarse field along the edge of a new coarse cell.
        area: whether means are weighted by area.
    """
    height, width = (-(-n // step) * step for n in archive.shape)
    grid = GeoBox((height // step, width // step), archive.transform * Affine.scale(step), archive.crs)
    fine_grid = refine(grid, step)
    weights = relative_area(fine_grid) if area else None

    def mean(values: np.ndarray, k: int, rows: np.ndarray | None = None) -> np.ndarray:
        area_ = None if rows is None else torch.from_numpy(rows)
        return aggregate(torch.from_numpy(np.ascontiguousarray(values)), k, area_).numpy()

    def padded(values: np.ndarray) -> np.ndarray:
        more = [(0, 0)] * (values.ndim - 2) + [
            (0, height - values.shape[-2]),
            (0, width - values.shape[-1]),
        ]
        return np.pad(values, more, constant_values=np.nan)

    sources: dict[str, ArchiveSource] = {}
    for name, source in archive.sources.items():
        values = source.array
        if source.grid == "fine":  # a time at a time: they may be on disk
            parts = [mean(np.asarray(values[t]), archive.factor, archive.area) for t in range(len(values))]
            sources[name] = replace(source, values=padded(np.stack(parts)))
        else:
            parts = [mean(padded(np.asarray(values[t])), step, weights) for t in range(len(values))]
            sources[name] = replace(source, values=np.stack(parts))
    field = padded(np.asarray(archive.coarse))
    whole = np.isfinite(field).reshape(-1, height // step, step, width // step, step).all((2, 4))
    known = whole.repeat(step, 1).repeat(step, 2) & ~repeated(field)
    return replace(
        archive,
        title=f"{archive.title} (one level up: no finer truth is known)",
        level_up=True,
        factor=step,
        coarse=mean(field, step, weights),
        fine=np.where(known, field, np.float32(np.nan)),
        transform=grid.affine,
        wrap=archive.wrap and width == archive.shape[1],
        cell_size=cell_sizes(fine_grid),
        area=weights,
        sources=sources,
    )


def _open(path: str) -> tuple[Any, Mapping[str, Any]]:
    import zarr

    if not Path(path).is_dir():
        raise InputError(f"data.options.path: there is no store {path}: make it with training.prepare.")
    check_store(path, f"data.options.path: {path}")
    try:
        group = zarr.open_group(local_store(path), mode="r")
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise InputError(
            f"data.options.path: {path} cannot be read as a Zarr store: make it with training.prepare."
        ) from error
    attributes = dict(group.attrs)
    if attributes.get("msr_store") != VERSION:
        raise InputError(f"data.options.path: {path} was not made by this version of training.prepare.")
    return group, attributes


def _check_shapes(group: Any, attributes: Mapping[str, Any]) -> None:
    """Compare the arrays' shapes with what the attributes say.

    Raises:
        ValueError: they differ.
    """
    rows, columns = attributes["shape"]
    times, factor = group["date"].shape[0], int(attributes["factor"])
    expected: dict[str, tuple[int, ...]] = {COARSE: (times, rows, columns)}
    if FINE in group:
        expected[FINE] = (times, rows * factor, columns * factor)
    for source in attributes["sources"]:
        scale = factor if source["grid"] == "fine" else 1
        expected[source["name"]] = (rows * scale, columns * scale)
    for name, shape in expected.items():
        if tuple(group[name].shape[-len(shape) :]) != shape:
            raise ValueError(f"{name} has the shape {group[name].shape}, not {shape}")


def _arrays(held: Mapping[str, Any], budget: int) -> dict[str, Any]:
    """Read arrays, the coarse target first, then the smallest, while the budget lasts; leave the rest."""
    sizes = {name: int(np.prod(array.shape)) * 4 for name, array in held.items()}
    arrays: dict[str, Any] = {}
    for name in sorted(held, key=lambda n: (n != COARSE, sizes[n])):
        budget -= sizes[name]
        array = held[name]
        arrays[name] = array[(slice(0, array.shape[0]),)] if name == COARSE or budget >= 0 else array
    return arrays


def _source(entry: Mapping[str, Any], values: Any) -> ArchiveSource:
    """Bring values to (T, C, ·, ·)."""
    channels, dynamic = KINDS[entry["kind"]].stacked, bool(entry["dynamic"])
    if not isinstance(values, np.ndarray):
        values = LazyArray(FourAxes(values, dynamic, channels))
    else:
        values = values if dynamic else values[None]
        values = values if channels else values[:, None]
    return ArchiveSource(
        name=str(entry["name"]),
        units=str(entry["units"]),
        grid=str(entry["grid"]),
        title=str(entry["title"]),
        kind=str(entry["kind"]),
        dynamic=dynamic,
        classes=tuple(int(c) for c in entry["classes"]),
        values=values,
    )


def _hour(when: dates.When) -> float:
    return np.nan if when.hour is None else when.hour + (when.minute or 0) / 60


def _round_the_world(grid: GeoBox) -> bool:
    return bool(crs_of(grid).geographic) and abs(grid.shape[1] * abs(grid.affine.a) - 360) < 1e-6
