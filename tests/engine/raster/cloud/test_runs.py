"""Whole runs on rasters that lie on servers: their cells, and no trace of what opens them anywhere."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

pytest.importorskip("fsspec")
pytest.importorskip("kerchunk")

from engine import api
from engine.cluster import makers
from engine.commands import cli
from engine.errors import EngineError
from engine.raster.reference import RasterRef
from tests.engine.raster.cloud.conftest import Served
from tests.engine.raster.cloud.fields import refer, write_netcdf, write_store

LOGIN, QUERY = "anna:pa55w0rd", "token=t0k3n%2Bx&X-Amz-Signature=s1gn4tur3"
SECRETS = ("anna", "pa55w0rd", "t0k3n", "s1gn4tur3")
MODEL = ["--model", "bicubicsmooth", "--factor", "2", "--all", "--extent", "20,30,30,40", "--tile", "8"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    write_store(folder / "rain.zarr", 3)
    write_netcdf(folder / "rain.nc")
    refer(folder / "rain.nc", "rain.nc", folder / "rain.json")
    return folder


@pytest.fixture()
def rain(served: Served, files: Path) -> Served:
    shutil.copytree(files, served.folder, dirs_exist_ok=True)
    served.user, served.token = LOGIN, "t0k3n+x"
    return served


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def has_none(text: str | bytes) -> bool:
    held = text if isinstance(text, bytes) else text.encode()
    return not any(secret.encode() in held for secret in SECRETS)


@pytest.mark.parametrize("name", ["rain.zarr:tp", "rain.json:tp"])
def test_a_run_of_a_few_tiles_makes_the_cells_of_the_file_and_tells_nothing(
    rain: Served,
    files: Path,
    out: Path,
    name: str,
    capfd: pytest.CaptureFixture,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    words = ["super-resolve", *MODEL]
    assert cli.main([*words, "--target", str(files / "rain.nc"), "--output", str(out / "near.tif")]) == 0
    target = rain.url(name, LOGIN, QUERY)
    assert cli.main([*words, "--target", target, "--output", str(out / "far.tif")]) == 0
    fetched = rain.given
    whole = sum(p.stat().st_size for p in files.rglob("*") if p.is_file()) / 2
    assert fetched < 1.3 * whole  # the small raster is looked at as a whole, each piece once
    assert cli.main([*words, "--target", target, "--output", str(out / "json.nc"), "--json"]) == 0
    with rasterio.open(out / "near.tif") as near, rasterio.open(out / "far.tif") as far:
        np.testing.assert_array_equal(near.read(), far.read())
        told = json.loads(far.tags()["MSR_INPUTS"])["target"]
        assert (told["band"], told["path"], len(told["digest"])) == (None, rain.url(name, query="…"), 32)
    told = capfd.readouterr()
    result = json.loads(told.out.splitlines()[-1])
    assert result["sources"][0]["path"] == rain.url(name, query="…")
    for text in (told.out, told.err, caplog.text, everything_in(out), everything_in(out.parent / "cache")):
        assert has_none(text)


@pytest.mark.parametrize("ending", ["tif", "zarr"])
def test_a_run_in_parts_keeps_nothing_in_its_journal_and_goes_on(
    rain: Served, out: Path, ending: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    words = ["super-resolve", *MODEL, "--target", rain.url("rain.zarr:tp", LOGIN, QUERY), "--resume"]
    words += ["--output", str(out / f"far.{ending}")]
    rain.tells = ""
    make, made = makers.make_part, []

    def stops(job, number):
        if len(made) == 7:
            raise EngineError("It stops.")
        made.append(number)
        return make(job, number)

    with monkeypatch.context() as context:
        context.setattr(makers, "make_part", stops)
        assert cli.main(words) == 1
    assert (out / f"far.{ending}.parts" / "run.json").is_file()
    assert has_none(everything_in(out))
    assert cli.main(words) == 0
    assert has_none(everything_in(out))
    told = capfd.readouterr()
    assert "Going on: 7 of" in told.out and has_none(told.out + told.err)
    assert told.err.count(f"Nothing tells whether {rain.url('rain.zarr:tp', query='…')} will have") == 2
    assert cli.main(words) == 0  # nothing tells whether what lies there is as it was
    assert "is as it was cannot be told: it is made anew" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": {"/c/|rain.nc": 404}}, "which is not there"),
        ({"status": {"/c/|rain.nc": 403}}, "refuses access"),
        ({"cut": "/c/|rain.nc"}, "breaks off"),
        ({"ranges": False}, "no pieces of objects"),
        ({"user": "other:login"}, "refuses access"),
    ],
)
def test_a_fault_ends_a_run_in_one_sentence_and_leaves_nothing(
    rain: Served, out: Path, change: dict, words: str, capfd: pytest.CaptureFixture
) -> None:
    target = rain.url("rain.json:tp", LOGIN, QUERY)
    (out / "far.tif").write_bytes(b"before")
    for name, value in change.items():
        setattr(rain, name, value)
    status = cli.main(["super-resolve", *MODEL, "--target", target, "--output", str(out / "far.tif")])
    told = capfd.readouterr()
    assert status == 2 and words in told.err and len(told.err.strip().splitlines()) == 1
    assert [path.name for path in out.iterdir()] == ["far.tif"]
    assert (out / "far.tif").read_bytes() == b"before"
    assert has_none(told.out + told.err) and has_none(everything_in(out.parent / "cache"))


def test_with_debug_the_traceback_tells_nothing_either(
    rain: Served, out: Path, capfd: pytest.CaptureFixture
) -> None:
    rain.user = "other:login"
    for name in ("rain.json:tp", "rain.tif"):
        words = ["--debug", "super-resolve", *MODEL, "--target", rain.url(name, LOGIN, QUERY)]
        try:
            cli.main([*words, "--output", str(out / "far.tif")])
        except SystemExit:
            cli.main([*words[1:], "--output", str(out / "far.tif"), "--debug"])
        told = capfd.readouterr()
        assert "Traceback" in told.err and has_none(told.out + told.err)


def test_the_reference_grid_too(rain: Served, out: Path, files: Path, capfd: pytest.CaptureFixture) -> None:
    like = rain.url("rain.zarr:tp", LOGIN, QUERY)
    words = ["super-resolve", "--model", "bicubic", "--target", str(files / "rain.nc"), "--date", "2001-01"]
    assert cli.main([*words, "--like", like, "--output", str(out / "o.tif")]) == 2
    told = capfd.readouterr()
    assert "no finer than the target's" in told.err and has_none(told.out + told.err)
    assert RasterRef.parse(f"{like}#2").band == 2


def test_a_lazy_array_tells_nothing_either(rain: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    name = rain.url("rain.zarr:tp", LOGIN, QUERY)
    sources = {"dem": rain.url("rain.json:tp", LOGIN, QUERY)}
    field = api.super_resolve(name, "sharpen", sources, factor=2, date="2001-01", tile=8)
    told = [repr(field), field._repr_html_(), str(field.attrs), str(field.encoding), caplog.text]
    told += [str(list(field.__dask_graph__())), repr(field.data), str(field.data.dask)]
    assert all(map(has_none, told)) and rain.url("rain.zarr:tp", query="…") in field.attrs["MSR_INPUTS"]
