"""Rasters on servers that change: between a run and the next, and in the middle of one."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

pytest.importorskip("fsspec")
pytest.importorskip("kerchunk")

from engine.aggregation import Aggregation
from engine.cluster import makers
from engine.commands import cli
from engine.errors import EngineError, InputError
from engine.pipeline.steps.step_maker import StepMaker
from engine.raster.aggregated import AggregatedRaster
from engine.raster.cloud.object_versions import ObjectVersion, version_of
from engine.raster.cloud.server_facts import spread
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from tests.engine.raster.cloud.conftest import Served
from tests.engine.raster.cloud.fields import COLUMNS, ROWS, field, refer, write_netcdf, write_store

QUERY = "token=t0k3n"
PLACE = {"crs": "EPSG:4326", "transform": Affine(0.5, 0, 9.75, 0, -0.5, 60.25)}
MODEL = ["--model", "bicubicsmooth", "--factor", "2", "--extent", "20,30,30,40", "--tile", "8"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    write_store(folder / "rain.zarr", 3)
    write_store(folder / "shards.zarr", 3, shards=True)
    write_store(folder / "two.zarr", 2)
    write_netcdf(folder / "rain.nc")
    refer(folder / "rain.nc", "rain.nc", folder / "rain.json")
    refer(folder / "rain.nc", "rain.nc", folder / "rain.parq")
    write_tif(folder / "rain.tif", field()[:1])
    return folder


def write_tif(path: Path, values: np.ndarray) -> None:
    tiles = {"tiled": True, "blockxsize": 32, "blockysize": 32}
    kind = {"height": ROWS, "width": COLUMNS, "count": 1, "dtype": "float32"}
    with rasterio.open(path, "w", driver="GTiff", **kind, **tiles, **PLACE) as file:
        file.write(values)
        file.units = ("mm",)


@pytest.fixture()
def rain(served: Served, files: Path) -> Served:
    shutil.copytree(files, served.folder, dirs_exist_ok=True)
    return served


def opened(name: str) -> Raster:
    return Raster(RasterRef.parse(name), "target")


def touched(rain: Served, pattern: str) -> None:
    """Let files be others, by a nanosecond and a second."""
    every = [path for path in rain.folder.glob(pattern) if path.is_file()]
    assert every
    for path in every:
        when = path.stat().st_mtime_ns + 10**9 + 1
        os.utime(path, ns=(when, when))


def words_of(rain: Served, name: str, out: Path) -> list[str]:
    target = rain.url(name, query=QUERY) if name[0] != "/" else name
    dates = [] if name.endswith(".tif") else ["--all"]
    return ["super-resolve", *MODEL, *dates, "--target", target, "--output", str(out / "fine.tif")]


@pytest.fixture()
def after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Return a function that does something once so many parts are made."""
    make = makers.make_part

    def does(parts: int, do: Callable[[], None]) -> None:
        made: list[int] = []

        def make_part(job, number):
            if len(made) == parts:
                do()
            made.append(number)
            return make(job, number)

        monkeypatch.setattr(makers, "make_part", make_part)

    return does


def stop() -> None:
    raise EngineError("It stops.")


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("rain.zarr:tp", "rain.zarr/tp/c/5/2/3"),  # the last chunk
        ("rain.zarr:tp", "rain.zarr/zarr.json"),
        ("rain.json:tp", "rain.nc"),
        ("rain.json:tp", "rain.json"),
        ("rain.parq:tp", "rain.parq/.zmetadata"),
        ("rain.tif", "rain.tif"),
        ("local.json:tp", "rain.nc"),
    ],
)
def test_another_version_is_refused_by_a_run_that_goes_on(
    rain: Served,
    files: Path,
    out: Path,
    tmp_path: Path,
    after: Callable,
    name: str,
    changed: str,
    capfd: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if name.startswith("local"):
        refer(files / "rain.nc", rain.url("rain.nc"), tmp_path / "local.json")
        monkeypatch.setenv("MSR_REFERENCES_FROM", rain.url(""))
        name = str(tmp_path / name)
    words = [*words_of(rain, name, out), "--resume"]
    after(2, stop)
    assert cli.main(words) == 1
    before = {path: path.stat().st_mtime_ns for path in rain.folder.glob(changed)}
    touched(rain, changed)
    capfd.readouterr()
    assert cli.main(words) == 2
    assert "holds the parts of another run, an input file was another one" in capfd.readouterr().err
    for path, when in before.items():
        os.utime(path, ns=(when, when))
    after(-1, stop)
    assert cli.main(words) == 0
    assert "Going on: 2 of" in capfd.readouterr().out
    assert cli.main(words) == 0
    told = capfd.readouterr()
    assert "is finished already, by this same run" in told.out and told.err == ""
    touched(rain, changed)
    assert cli.main([*words, "--no-overwrite"]) == 2
    assert "but by another run, an input file was another one" in capfd.readouterr().err


@pytest.mark.parametrize("parts", [True, False])
@pytest.mark.parametrize("name", ["rain.zarr:tp", "rain.json:tp", "rain.tif"])
def test_a_change_in_the_middle_leaves_no_result(
    rain: Served,
    out: Path,
    after: Callable,
    name: str,
    parts: bool,
    capfd: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = words_of(rain, name, out)
    if parts:
        after(2, lambda: [touched(rain, each) for each in ("rain.*", "rain.zarr/**/*")])
        words.append("--resume")
    else:
        made, make = [], StepMaker.make

        def makes(self, *given):
            made.append(1)
            if len(made) == 2:
                touched(rain, "rain.*")
                touched(rain, "rain.zarr/**/*")
            return make(self, *given)

        monkeypatch.setattr(StepMaker, "make", makes)
    assert cli.main(words) == 2
    told = capfd.readouterr().err
    assert "has changed on its server since the run began" in told or "become another one while" in told
    assert "t0k3n" not in told and not (out / "fine.tif").exists()


@pytest.mark.parametrize("name", ["rain.json:tp", "shards.zarr:tp"])
def test_pieces_of_two_versions_are_never_mixed(rain: Served, name: str) -> None:
    raster = opened(rain.url(name))
    np.testing.assert_array_equal(raster.values([1], Window(0, 0, 40, 40))[0], field()[0, :40, :40])
    touched(rain, "rain.nc")
    touched(rain, "shards.zarr/tp/c/**/*")
    with pytest.raises(InputError, match=r"has become another one while it was read: begin again"):
        raster.values([1], Window(40, 40, 40, 40))
    raster.close()


def test_nor_is_a_chunk_that_went_taken_for_one_that_was_never_written(rain: Served) -> None:
    raster = opened(rain.url("shards.zarr:tp"))
    raster.values([1], Window(0, 0, 40, 40))
    for path in (rain.folder / "shards.zarr/tp/c").rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(InputError, match="has become another one while it was read"):
        raster.values([1], Window(40, 40, 40, 40))
    raster.close()


@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("tells", ["tag", "time", ""])
@pytest.mark.parametrize("name", ["two.zarr:tp", "rain.parq:tp", "rain.tif"])
def test_what_a_server_tells_is_what_is_compared(rain: Served, name: str, tells: str, head: bool) -> None:
    rain.tells, rain.head, rain.user = tells, head, "anna:pa55w0rd"
    raster = opened(rain.url(name, "anna:pa55w0rd"))
    told = raster.servers.first
    assert ("digest" in told, "modified" in told) == (tells != "", tells == "time")
    assert told["bytes"] > 0 and not raster.servers.changed
    rain.status = {"": 500}
    assert not raster.servers.changed  # it may answer again
    rain.status = {}
    touched(rain, "two.zarr/**/*")
    touched(rain, "rain.*")
    rain.forget()
    try:
        changed = raster.servers.changed
    except InputError as error:  # of what was read
        changed = "become another one while it was read" in str(error)
    assert changed == (tells != "") and rain.given <= 40  # bytes: one of each object that was asked of
    again = opened(rain.url(name, "anna:pa55w0rd"))
    assert (again.servers.first != told) == (tells != "")
    for each in (raster, again):
        each.close()


def test_the_references_alone_are_not_all_of_a_raster(rain: Served, files: Path, tmp_path: Path) -> None:
    refer(files / "rain.nc", "rain.nc", tmp_path / "rain.json")
    shutil.copy(files / "rain.nc", tmp_path)
    raster = opened(f"{tmp_path / 'rain.json'}:tp")
    assert raster.servers.first == {} and not raster.elsewhere
    raster.close()


def test_dates_of_many_steps_tell_what_their_raster_does(rain: Served) -> None:
    ref = RasterRef.parse(rain.url("rain.zarr:tp"))
    raster = AggregatedRaster(ref, "target", "", Aggregation.parse("month:mean"))
    assert raster.elsewhere and "digest" in raster.servers.first
    raster.close()


def test_a_result_tells_it(rain: Served, out: Path) -> None:
    assert cli.main(words_of(rain, "rain.tif", out)) == 0
    with rasterio.open(out / "fine.tif") as file:
        told = json.loads(file.tags()["MSR_INPUTS"])["target"]
    size = (rain.folder / "rain.tif").stat().st_size
    assert told["bytes"] == size and set(told) == {"path", "band", "bytes", "modified", "digest"}


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ({"ETag": 'W/"a"', "Last-Modified": "x"}, ObjectVersion('"a"', "x")),
        ({"ETag": "", "size": 7, "LastModified": None}, ObjectVersion(size=7)),
        ({"etag": "e", "generation": "3", "size": "7"}, ObjectVersion("e\n3")),
        ({}, ObjectVersion()),
    ],
)
def test_the_words_of_each_protocol(told: dict, version: ObjectVersion) -> None:
    assert version_of(told) == version


def test_versions_differ_by_what_both_tell() -> None:
    told = ObjectVersion("a", "t", 3)
    assert not told.differs(ObjectVersion("a")) and not ObjectVersion().differs(told)
    assert told.differs(ObjectVersion("b", "t", 3)) and told.differs(ObjectVersion(size=4))


def test_times_of_each_form_are_understood() -> None:
    moment = ObjectVersion("", "Fri, 27 Nov 2026 14:38:51 GMT").moment
    assert moment == ObjectVersion("", "2026-11-27T14:38:51+00:00").moment and moment is not None
    assert ObjectVersion("", "yesterday").moment is None and ObjectVersion().moment is None


def test_what_is_looked_at_lies_evenly() -> None:
    assert spread(3) == [0, 1, 2] and spread(100, 4) == [0, 33, 66, 99] and spread(0) == []
