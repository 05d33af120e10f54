"""Arrays as users of xarray and Dask hand them over: each gives the bits of its file, or a sentence."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cftime
import numpy as np
import pandas as pd
import pytest
import xarray

pytest.importorskip("distributed")

import dask
import dask.array
from distributed import Client, LocalCluster

from engine import api
from engine.errors import EngineError, InputError
from engine.raster.cf import dask_values

ASKED: dict[str, Any] = {"model": "bicubic", "factor": 2, "all_dates": True, "tile": 5}


@pytest.fixture()
def rain() -> xarray.DataArray:
    """Three months of rain with a hole, on degrees."""
    values = np.random.default_rng(1).gamma(2.0, 30, (3, 9, 14)).astype(np.float32)
    values[:, 4, 6] = np.nan
    axes = {
        "time": pd.date_range("2001-01-01", periods=3, freq="MS"),
        "lat": ("lat", 40.0 - np.arange(9), {"units": "degrees_north"}),
        "lon": ("lon", 10.0 + np.arange(14), {"units": "degrees_east"}),
    }
    return xarray.DataArray(values, axes, ("time", "lat", "lon"), "tp", {"units": "mm"})


@pytest.fixture()
def expected(rain: xarray.DataArray, tmp_path: Path) -> bytes:
    """The bits that the array's file gives."""
    rain.to_netcdf(tmp_path / "rain.nc")
    return made(str(tmp_path / "rain.nc"))


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0", memory_limit=None
        ) as cluster,
        Client(cluster) as made,
    ):
        yield made


def made(target: Any) -> bytes:
    return api.super_resolve(target, **ASKED).compute().values.tobytes()


@pytest.mark.parametrize(
    "chunks", [{"time": -1}, {"lat": 1, "lon": 1}, {"time": 2, "lat": 4, "lon": 5}, {"lat": (1, 3, 5)}]
)
def test_chunks_of_any_size(rain: xarray.DataArray, expected: bytes, chunks: dict) -> None:
    assert made(rain.chunk(chunks)) == expected


def test_any_order_and_direction(rain: xarray.DataArray, expected: bytes) -> None:
    turned = rain.transpose("lon", "lat", "time").isel(lat=slice(None, None, -1))
    assert made(turned) == expected
    east = rain.assign_coords(lon=("lon", rain["lon"].values + 360, rain["lon"].attrs))
    assert made(east) == expected


def test_what_a_cluster_keeps_is_fetched(rain: xarray.DataArray, expected: bytes, client: Client) -> None:
    kept = rain.chunk({"time": 1, "lat": 4}).persist()
    field = api.super_resolve(kept, **ASKED, client=client)
    assert field.compute().values.tobytes() == expected
    there = dask.delayed(client.scatter(rain.values))
    scattered = rain.copy(data=dask.array.from_delayed(there, rain.shape, rain.dtype))
    assert made(scattered) == expected


def test_a_result_that_a_cluster_keeps_goes_on(rain: xarray.DataArray, client: Client) -> None:
    field = api.super_resolve(rain, **ASKED)
    of_memory = made(field.compute())
    assert made(field.persist()) == of_memory


def test_what_its_worker_has_taken_along_is_made_anew(
    rain: xarray.DataArray, expected: bytes, client: Client
) -> None:
    field = api.super_resolve(rain.chunk({"time": 1}).persist(), **ASKED, client=client)
    client.restart_workers(list(client.scheduler_info()["workers"])[:1])
    assert field.compute().values.tobytes() == expected


def test_a_task_makes_room_for_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    class Missing:
        client, key = None, "k"

        def __init__(self, *_: object, **__: object) -> None:
            pass

        def result(self, timeout: float) -> None:
            raise distributed.TimeoutError

    monkeypatch.setattr(distributed, "Future", Missing)
    monkeypatch.setattr(distributed, "get_client", lambda: None)
    monkeypatch.setattr(dask_values, "_missed", {})
    with pytest.raises(distributed.Reschedule):
        dask_values._fetched(Missing(), distributed)
    monkeypatch.setattr(dask_values, "_SECONDS", 0)
    with pytest.raises(distributed.TimeoutError):
        dask_values._fetched(Missing(), distributed)


@pytest.mark.parametrize(
    "encoding",
    [{"units": "fortnights since x"}, {"units": "months since 1850-01-01"}, {"calendar": "klingon"}],
)
def test_what_is_left_of_times_encoding_does_not_count(
    rain: xarray.DataArray, expected: bytes, encoding: dict
) -> None:
    rain["time"].encoding = encoding
    rain.encoding = {"dtype": "int16", "scale_factor": 0.1, "_FillValue": -1, "chunksizes": (1, 1, 1)}
    assert made(rain) == expected


def test_coordinates_that_no_file_could_hold_are_left_out(rain: xarray.DataArray, expected: bytes) -> None:
    odd = rain.assign_coords(
        kind=("time", pd.Categorical(["a", "b", "a"])),
        span=("time", pd.interval_range(0, 3)),
        things=("time", np.array([{}, [1], None], object)),
    )
    assert made(odd) == expected


def test_nothing_of_xarrays_is_told(rain: xarray.DataArray) -> None:
    rain.attrs["grid_mapping"] = "nowhere"
    with warnings.catch_warnings():
        for kind in (UserWarning, RuntimeWarning, xarray.SerializationWarning):
            warnings.simplefilter("error", kind)
        made(rain.chunk({"time": 1}).assign_coords(time=rain["time"] + np.timedelta64(36, "h")))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda a: a.isel(time=[]), "holds nothing: its dimension time has the length 0"),
        (lambda a: a.isel(lon=[]), "holds nothing: its dimension lon has the length 0"),
        (lambda a: a.astype("U3"), r"holds no numbers \(<U3\): convert it first"),
        (lambda a: a.astype(object), r"holds no numbers \(object\)"),
        (
            lambda a: a.fillna(0).astype("m8[ns]"),
            r"open it without decoding durations \(decode_timedelta=False",
        ),
        (
            lambda a: a.assign_coords(time=pd.period_range("2001-01", periods=3, freq="M")),
            r"an axis \(time\) of a kind that CF does not know \(period\[M\]\)",
        ),
        (lambda a: a.stack(cell=("lat", "lon")), r"an axis \(cell\) of a kind that CF does not know"),
        (
            lambda a: a.assign_coords(
                time=("time", np.array([cftime.DatetimeNoLeap(2001, 1, 1), None, 3], object))
            ),
            r"an axis \(time\) of a kind that CF does not know",
        ),
        (
            lambda a: a.chunk({"time": 1}).map_blocks(lambda block: 1 // 0, template=a.chunk({"time": 1})),
            r"cannot be computed \(ZeroDivisionError\): try its \.compute\(\) by itself",
        ),
    ],
)
def test_what_is_no_field_is_refused_in_a_sentence(
    rain: xarray.DataArray, change: Any, sentence: str
) -> None:
    with pytest.raises(InputError, match=rf"^target: the array tp .*{sentence}"):
        made(change(rain))


def test_a_client_that_is_none_is_refused(rain: xarray.DataArray) -> None:
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0") as cluster:
        closed = Client(cluster, set_as_default=False)
        closed.close()
        for client in (closed, "tcp://127.0.0.1:8786", 5):
            with pytest.raises(EngineError, match=r"^client is no client of Dask that is connected"):
                api.super_resolve(rain, **ASKED, client=client)


def test_what_is_written_of_a_result_names_no_bounds_that_it_lacks(
    rain: xarray.DataArray, tmp_path: Path
) -> None:
    api.super_resolve(rain, **ASKED).to_netcdf(tmp_path / "fine.nc")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xarray.open_dataset(tmp_path / "fine.nc", decode_coords="all") as data:
            assert "bounds" not in {**data["time"].attrs, **data["time"].encoding}


def test_times_that_may_be_the_ends_of_their_steps_are_told(rain: xarray.DataArray) -> None:
    rain["time"].attrs["bounds"] = "time_bnds"
    with pytest.warns(UserWarning, match=r"target: its time has lost its bounds \(time_bnds\).* a step late"):
        api.super_resolve(rain, **ASKED)
    within = rain.assign_coords(time=rain["time"] + np.timedelta64(15, "D"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        api.super_resolve(within, **ASKED)
        del rain["time"].attrs["bounds"]
        api.super_resolve(rain, **ASKED)
