"""Zarr stores on servers: read lazily, with what gives access, and every fault in one sentence."""

from __future__ import annotations

import asyncio
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from rasterio.windows import Window

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

from engine.errors import EngineError, InputError
from engine.raster.cloud.cloud_name import CloudName
from engine.raster.cloud.cloud_store import CloudStore
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from tests.engine.raster.cloud.conftest import Served
from tests.engine.raster.cloud.fields import COLUMNS, DATES, ROWS, field, write_store

CORNER = Window(10, 50, 20, 20)  # of one chunk: columns 10 to 30, rows 50 to 70


def opened(name: str) -> Raster:
    return Raster(RasterRef.parse(name), "target")


def refused(name: str) -> str:
    with pytest.raises(EngineError) as caught:
        opened(name).close()
    return str(caught.value)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    write_store(folder / "two.zarr")
    write_store(folder / "three.zarr", 3)
    write_store(folder / "shards.zarr", 3, shards=True)
    write_store(folder / "plain.zarr", 2, consolidated=False)
    return folder


@pytest.fixture()
def rain(served: Served, stores: Path) -> Served:
    for store in stores.iterdir():
        shutil.copytree(store, served.folder / store.name)
    return served


@pytest.mark.parametrize("store", ["two.zarr", "three.zarr", "shards.zarr"])
def test_a_window_fetches_its_chunks_alone(rain: Served, store: str) -> None:
    raster = opened(rain.url(store))  # its only variable
    assert (raster.count, raster.units, str(raster.dates[3])) == (DATES, "mm", "2001-04")
    assert (raster.height, raster.width) == (ROWS, COLUMNS)
    assert not any(
        "tp/" in path and not path.endswith((".zarray", ".zattrs", "zarr.json")) for path in rain.paths()
    )
    rain.forget()
    cells = raster.values([5], CORNER)
    np.testing.assert_array_equal(cells[0], field()[4, 50:70, 10:30])
    chunks = [path for path in rain.paths() if "tp/" in path]
    assert len(set(chunks)) == 1
    whole = sum(f.stat().st_size for f in (rain.folder / store).rglob("*") if f.is_file())
    assert rain.given < whole / 40
    rain.forget()
    raster.values([5], CORNER)
    assert rain.asked == []  # kept
    raster.close()


def test_user_password_and_query_reach_every_object(rain: Served) -> None:
    rain.user, rain.token = "anna:p/ss w0rd", "t0k+n=="
    name = rain.url("two.zarr:tp", "anna:p%2Fss%20w0rd", "token=t0k%2Bn%3D%3D&empty=")
    raster = opened(name)
    np.testing.assert_array_equal(raster.values([1], CORNER)[0], field()[0, 50:70, 10:30])
    assert raster.ref.path == rain.url("two.zarr:tp", query="…")
    raster.close()
    assert "check user, password, token or keys" in refused(rain.url("two.zarr:tp", "anna:wrong"))
    assert "refuses access" in refused(rain.url("two.zarr:tp", "anna:p%2Fss%20w0rd", "token=old"))


def test_they_may_come_from_the_environment(
    rain: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import fsspec

    rain.user = "anna:pa55w0rd"
    with monkeypatch.context() as context:
        context.setitem(
            fsspec.config.conf,
            "http",
            {"client_kwargs": {"headers": {"Authorization": "Basic YW5uYTpwYTU1dzByZA=="}}},
        )
        opened(rain.url("two.zarr:tp")).close()
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login anna password pa55w0rd\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    opened(rain.url("two.zarr:tp")).close()


def test_a_bucket(rain: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    for name, value in {
        "AWS_ENDPOINT_URL": rain.url("").rstrip("/"),
        "AWS_ACCESS_KEY_ID": "anna",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(rain.folder / "shards.zarr", rain.folder / "bucket" / "rain.zarr")
    raster = opened("s3://bucket/rain.zarr:tp")
    rain.forget()
    np.testing.assert_array_equal(raster.values([5], CORNER)[0], field()[4, 50:70, 10:30])
    assert 0 < rain.given < 30_000  # of a shard of 70 kB: its index and a chunk
    raster.close()
    assert "no Zarr store lies there: check the address" in refused("s3://bucket/gone.zarr")
    rain.status = {"zarr": 403}
    assert "its server refuses access" in refused("s3://bucket/rain.zarr:tp")


def test_a_store_without_consolidated_metadata(rain: Served) -> None:
    assert refused(rain.url("plain.zarr:tp")) == (
        f"target: {rain.url('plain.zarr:tp')}: its server does not list what lies in the store, and the "
        "store's metadata are not consolidated: let zarr.consolidate_metadata do that where it lies."
    )


def test_a_missing_chunk_is_one_that_was_never_written(rain: Served) -> None:
    (rain.folder / "two.zarr/tp/4.1.0").unlink()
    raster = opened(rain.url("two.zarr:tp"))
    assert np.isnan(raster.values([5], CORNER)).all() and np.isfinite(raster.values([6], CORNER)).all()
    raster.close()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"status": {"/tp/": 403}}, "its server refuses access"),
        ({"status": {"/tp/": 404, "nothing": 1}}, ""),
        ({"status": {"/tp/": 503}}, r"its server does not give it now \(503\): try again later"),
        ({"status": {"/tp/": 301}}, r"its server does not give it \(301\)"),
        ({"cut": "/tp/"}, "the connection to its server breaks off: try again, or download it first"),
    ],
)
def test_no_chunk_is_filled_for_want_of_a_server(rain: Served, change: dict, sentence: str) -> None:
    raster = opened(rain.url("two.zarr:tp", "anna:pa55w0rd", "token=t0k3n"))
    for name, value in change.items():
        setattr(rain, name, value)
    if not sentence:  # a store says so of chunks that were never written
        assert np.isnan(raster.values([5], CORNER)).all()
        return
    with pytest.raises(InputError, match=sentence) as caught:
        raster.values([5], CORNER)
    told = rain.url("two.zarr:tp", query="…")
    assert str(caught.value).startswith(f"target: {told}, tp/4.1.0: ")
    assert caught.value.__cause__ is None
    raster.close()


def test_what_breaks_off_once_is_fetched_again(rain: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    raster = opened(rain.url("two.zarr:tp"))
    rain.cut = "/tp/"
    monkeypatch.setattr("engine.raster.cloud.transport.time.sleep", lambda _: setattr(rain, "cut", ""))
    np.testing.assert_array_equal(raster.values([5], CORNER)[0], field()[4, 50:70, 10:30])
    raster.close()


def test_a_server_without_pieces_is_refused(rain: Served) -> None:
    rain.ranges = False
    opened(rain.url("two.zarr:tp")).close()  # whole objects do
    with pytest.raises(InputError, match=r"gives no pieces of objects .* download it first"):
        opened(rain.url("shards.zarr:tp")).values([5], CORNER)


def test_nothing_there_and_no_server(rain: Served) -> None:
    assert refused(rain.url("gone.zarr:tp")).endswith(
        "gone.zarr:tp: no Zarr store lies there: check the address."
    )
    assert "it has tp [mm]" in refused(rain.url("two.zarr:gone"))
    assert "its server cannot be reached: check the address and the network" in refused(
        "http://127.0.0.1:9/rain.zarr:tp"
    )


def test_pickled_objects_are_not_read(rain: Served) -> None:
    for name in (".zmetadata", "tp/.zarray"):
        path = rain.folder / "two.zarr" / name
        held = json.loads(path.read_text())
        array = held["metadata"]["tp/.zarray"] if name == ".zmetadata" else held
        array["filters"] = [{"id": "pickle"}]
        path.write_text(json.dumps(held))
    assert "pickled Python objects" in refused(rain.url("two.zarr:tp"))


def test_a_missing_package_is_named(rain: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = refused("abfss://bucket/rain.zarr") if not _has("adlfs") else "requirements-cloud.txt"
    assert "requirements-cloud.txt" in sentence
    monkeypatch.setitem(__import__("sys").modules, "aiohttp", None)
    monkeypatch.delitem(__import__("sys").modules, "engine.raster.cloud.checked_http", raising=False)
    assert "cannot load aiohttp: install what requirements-cloud.txt lists" in refused(rain.url("two.zarr"))


def _has(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


def test_a_store_can_be_handed_on_and_not_written_to(rain: Served) -> None:
    store = CloudStore(CloudName("store", rain.url("two.zarr"), "tp"), "target")
    again = pickle.loads(pickle.dumps(store))
    assert zarr.open_group(again, mode="r")["tp"][4, 50, 10] == field()[4, 50, 10]
    for writes in (store.set("tp/0", None), store.delete("tp/0")):
        with pytest.raises(EngineError, match="can only be read"):
            asyncio.run(writes)
