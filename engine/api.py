"""Super-resolution from Python: lazy arrays of xarray and Dask. Needs requirements-cluster.txt."""

from __future__ import annotations

import operator
import os
import warnings as python_warnings
from collections.abc import Mapping, Sequence
from typing import Any

from engine.broken_packages import importing
from engine.errors import InputError
from engine.pipeline.request import SuperResolveRequest
from engine.raster.cf.dask_values import wait_for
from engine.raster.held_raster import HeldRaster
from engine.raster.reference import GridRequest, RasterRef

__all__ = ["super_resolve"]


def super_resolve(
    target: Any,
    model: str | os.PathLike[str],
    sources: Mapping[str, Any] | None = None,
    *,
    factor: int | None = None,
    like: str | os.PathLike[str] | None = None,
    crs: str | None = None,
    resolution: float | tuple[float, float] | None = None,
    extent: tuple[float, float, float, float] | None = None,
    date: str | None = None,
    all_dates: bool = False,
    aggregate: str | None = None,
    conservation: float | None = None,
    quantity: str = "auto",
    domain: Any = None,
    device: str = "auto",
    precision: str = "auto",
    tile: int = 0,
    seed: int = 0,
    models: Sequence[str | os.PathLike[str]] = (),
    outputs: Sequence[str] = (),
    members: int = 0,
    levels: Sequence[float] = (0.1, 0.5, 0.9),
    coherence: float = 0.0,
    client: Any = None,
) -> Any:
    """Return a finer field as a lazy `xarray.DataArray`, or with `outputs` a lazy `xarray.Dataset`.

    Nothing of the field is made yet: the request is checked, and the model loaded. A chunk of the array is a
    tile at a date; whoever computes it reads what it needs of the rasters by itself, halo included, with a
    model that each process loads once. Its values are those of the file that `python -m engine super-resolve`
    writes for the same request with as many threads, to the bit.

    Args:
        target: the coarse raster: a path as the command line takes it (`rain.nc:tp`, `rain.tif#3`), a
            `RasterRef`, or an `xarray.DataArray` with CF axes, in memory or lazy.
        model: a model's id or folder, or a simple method.
        sources: rasters of the same kinds, by the names of the model's sources.
        factor: simple methods: fine cells along a coarse one; None: as the grid says.
        like: a raster whose CRS, resolution and extent the output takes; a path.
        crs, resolution, extent: the same one by one, as (xmin, ymin, xmax, ymax) in the output's CRS.
        date: as the command line's --date.
        all_dates: take every date of the target.
        aggregate: as the command line's --aggregate.
        conservation: 0..1, None: the model's own.
        quantity: simple methods: nonnegative, signed or auto.
        domain: a raster of the fine cells that count.
        device: auto, cpu, cuda, cuda:N or mps, of whichever process computes.
        precision: auto, float32 or bfloat16; auto is settled here and holds for all processes.
        tile: edge of a tile in coarse cells; 0: by the memory that is free here.
        seed: of a model's noise.
        models: folders of models.
        outputs: what is wanted beside the field: expected_error and supported_share of `sharpen`, spread,
            quantiles, members and supported_share of an ensemble.
        members: how many an ensemble draws, whose mean the field is then; 0: the one estimate.
        levels: of the quantiles, between 0 and 1.
        coherence: days over which the members' noise changes from date to date; 0: each date has its own.
        client: of Dask, whose workers are asked at once whether they can make the array; it does not bind the
            array to them: Dask computes it with the client that is current then.

    Returns:
        float32, (time, y, x) or (y, x), with the dimensions' names, coordinates, CRS (a grid mapping with
        `spatial_ref`), units and provenance of the file; NaN where there is no value. With `outputs` a data
        set of the field and of these, each called as in its file and with a further dimension `quantile` or
        `member` where it has several bands; a chunk of all of them is made at once.

    Raises:
        InputError: the request or a raster is wrong; one sentence, before any long work.
        EngineError: a package is missing, or the cluster does not answer or lacks what it needs.
    """
    with importing("requirements-cluster.txt"):
        import dask.array  # noqa: F401
        import xarray  # noqa: F401
    from engine.cluster.lazy_field import lazy_data
    from engine.cluster.wanted_outputs import wanted_outputs
    from engine.raster.projections import check_projections

    check_projections()
    grid = None
    if like is not None or crs or resolution is not None or extent is not None:
        if like is not None and (crs or resolution is not None or extent is not None):
            raise InputError("like gives the whole grid: leave out crs, resolution and extent.")
        grid = GridRequest(
            None if like is None else _path(like, "like"),
            None if crs is None else _text(crs, "crs", "EPSG:3035"),
            None if resolution is None else _resolution(resolution),
            None if extent is None else _numbers(extent, "extent", 4),
        )
    if not isinstance(sources, (Mapping, type(None))):
        raise _wrong(
            sources, "sources", "rasters by the names of the model's sources, {'elevation': 'dem.tif'}"
        )
    request = SuperResolveRequest(
        model=_path(model, "model"),
        target=_named(target, "target"),
        output="array.tif",
        sources={name: _named(raster, name) for name, raster in (sources or {}).items()},
        grid=grid,
        factor=None if factor is None else _whole(factor, "factor"),
        quantity=_text(quantity, "quantity", "signed"),
        date=None if date is None else _text(date, "date", "2001-02"),
        all_dates=all_dates,
        aggregate=None if aggregate is None else _text(aggregate, "aggregate", "day:sum"),
        conservation=None if conservation is None else _number(conservation, "conservation"),
        device=_text(device, "device", "cpu"),
        precision=_text(precision, "precision", "float32"),
        tile=_whole(tile, "tile"),
        seed=_whole(seed, "seed"),
        domain=None if domain is None else _named(domain, "domain"),
        **wanted_outputs(
            outputs if isinstance(outputs, str) else _listed(outputs, "outputs"),
            _whole(members, "members"),
            _numbers(levels, "levels"),
            _number(coherence, "coherence"),
        ),
        models=tuple(os.path.abspath(_path(folder, "models")) for folder in _listed(models, "models")),
    )
    differ: list[str] = []
    if client is not None:
        from engine.cluster.workers import check_workers

        differ = check_workers(client)
    data, told = lazy_data(request)
    for line in [*differ, *told]:
        python_warnings.warn(line, stacklevel=2)
    return data if outputs else next(iter(data.data_vars.values()))


def _named(raster: Any, label: str) -> RasterRef:
    """Return a raster as the engine names one; paths from the root, as processes elsewhere need them.

    Raises:
        InputError: it is of none of the kinds that can be read.
    """
    import xarray

    if isinstance(raster, RasterRef):
        return raster
    if isinstance(raster, xarray.DataArray):
        wait_for(raster)
        return HeldRaster(f"the array {raster.name or label}", data=raster)
    if isinstance(raster, (str, os.PathLike)):
        return RasterRef.parse(os.fspath(raster))
    raise InputError(
        f"{label} is a {type(raster).__name__}: give a path, a RasterRef or an xarray.DataArray."
    )


def _wrong(value: Any, name: str, wanted: str) -> InputError:
    """Return the error that says what a parameter is in place of what it should be."""
    return InputError(f"{name} is a {type(value).__name__}: give {wanted}.")


def _whole(value: Any, name: str) -> int:
    """Return a whole number as Python's own."""
    try:
        return operator.index(int(value) if isinstance(value, float) and value.is_integer() else value)
    except TypeError:
        raise _wrong(value, name, "a whole number") from None


def _number(value: Any, name: str) -> float:
    """Return a number as Python's own."""
    try:
        if not isinstance(value, (str, bytes)):
            return float(value)
    except (TypeError, ValueError):
        pass
    raise _wrong(value, name, "a number")


def _numbers(value: Any, name: str, count: int | None = None) -> Any:
    """Return a list of numbers as a tuple of Python's own."""
    wanted = "a list of numbers" if count is None else f"{count} numbers"
    each = _listed(value, name, wanted)
    if count is not None and len(each) != count:
        raise InputError(f"{name} has {len(each)} entries: give {wanted}.")
    return tuple(_number(number, name) for number in each)


def _resolution(value: Any) -> Any:
    """Return a cell's edge, or that along x and y."""
    pair = hasattr(value, "__len__") and not isinstance(value, str)
    return _numbers(value, "resolution", 2) if pair else _number(value, "resolution")


def _listed(value: Any, name: str, wanted: str = "a list") -> list[Any]:
    """Return the entries of a list."""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise _wrong(value, name, wanted)
    return list(value)


def _text(value: Any, name: str, such: str) -> str:
    if not isinstance(value, str):
        raise _wrong(value, name, f"a text, such as {such!r}")
    return value


def _path(value: Any, name: str) -> str:
    try:
        if isinstance(path := os.fspath(value), str):
            return path
    except TypeError:
        pass
    raise _wrong(value, name, "a path" if name != "model" else "a model's id or folder, or a simple method")
