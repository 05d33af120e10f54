"""Runs in parts of one process: the bytes of a plain run, whatever stops them on the way."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import xarray

pytest.importorskip("zarr", "3.0.8")

from engine import api
from engine.cluster import makers, part_task
from engine.cluster.part_task import make_part
from engine.cluster.parts_request import PartsRequest
from engine.errors import Cancelled, EngineError, InputError
from engine.feedback import Silent
from engine.pipeline.request import EnsembleRequest, SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reader import Raster
from engine.raster.reference import GridRequest, RasterRef
from tests.engine.cluster.conftest import PARTS, bytes_in, in_parts

RunOf = Callable[..., SuperResolveRequest]
Plain = Callable[[SuperResolveRequest], dict[str, bytes]]


@pytest.fixture()
def stopped(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Exception], list[int]]:
    """Return a function that lets the making of parts fail after so many; it gives the numbers made since."""

    def stops(after: int, error: Exception) -> list[int]:
        made: list[int] = []

        def make(job, number):
            if len(made) == after:
                raise error
            made.append(number)
            return make_part(job, number)

        monkeypatch.setattr(makers, "make_part", make)
        return made

    return stops


@pytest.mark.parametrize("name", ["fine.tif", "fine.nc", "fine.zarr"])
def test_the_files_are_those_of_a_plain_run_to_the_byte(run_of: RunOf, plain: Plain, name: str) -> None:
    request = run_of(name)
    expected, result = plain(request), in_parts(request)
    folder = Path(request.output).parent
    assert bytes_in(folder) == expected  # and no parts are left
    one = super_resolve(replace(request, output=str(folder / f"other{Path(name).suffix}")), Silent())
    one.output, one.seconds = result.output, result.seconds
    assert result == one and result.tiles == PARTS and result.change is not None


def test_so_are_those_of_an_ensemble(run_of: RunOf, plain: Plain, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = EnsembleRequest(
        3,
        spread=str(out / "spread.tif"),
        quantiles=str(out / "quantiles.nc"),
        member_file=str(out / "members.zarr"),
    )
    request = run_of("mean.tif", model, ensemble=asked, tile=5, seed=7)
    expected = plain(request)
    in_parts(request)
    assert bytes_in(out) == expected


def test_so_are_those_of_a_method_that_learns(run_of: RunOf, plain: Plain, tmp_path: Path) -> None:
    out = tmp_path / "out"
    dem = RasterRef(str(tmp_path / "dem.tif"))
    request = run_of("fine.tif", "sharpen", sources={"dem": dem}, expected_error=str(out / "error.tif"))
    expected = plain(request)
    in_parts(request)
    assert bytes_in(out) == expected


def test_an_output_that_begins_within_a_coarse_cell(run_of: RunOf, plain: Plain) -> None:
    grid = GridRequest(extent=(14.5, 25.0, 29.0, 37.5))
    request = run_of("fine.nc", grid=grid)
    expected = plain(request)
    in_parts(request)
    assert bytes_in(Path(request.output).parent) == expected
    store = run_of("fine.zarr", grid=grid)
    in_parts(store, zarr_format=3)
    with xarray.open_dataset(request.output) as a, xarray.open_zarr(store.output, consolidated=False) as b:
        name = next(n for n in a.data_vars if a[n].ndim == 3)
        assert a[name].values.tobytes() == b[name].values.tobytes()
        assert b[name].attrs["spatial:bbox"] == [14.5, 25.0, 29.0, 37.5]


def test_a_store_of_format_3_has_a_chunk_for_each_part_that_has_values(run_of: RunOf, plain: Plain) -> None:
    request = run_of("fine.zarr")
    in_parts(request, zarr_format=3)
    store = Path(request.output)
    told = json.loads((store / "zarr.json").read_text())
    assert told["zarr_format"] == 3 and told["attributes"]["Conventions"] == "CF-1.11"
    assert "MSR_RESIDUAL" in told["attributes"] and "MSR_INPUTS" in told["attributes"]
    with xarray.open_zarr(str(store), consolidated=False, decode_coords="all") as data:
        name = next(iter(data.data_vars))
        array = data[name].load()
    held = store / name / "c"
    chunks = {path.relative_to(held).as_posix() for path in held.rglob("*") if path.is_file()}
    assert chunks == {f"{t}/{r}/{c}" for t in range(4) for r in range(3) for c in range(5)} - {
        f"{t}/0/0"
        for t in range(4)  # wholly masked
    }
    assert array.dims == ("time", "lat", "lon") and array.attrs["units"] == "mm"
    assert array.attrs["proj:code"] == "EPSG:4326"
    assert array.attrs["spatial:transform"] == [0.5, 0.0, 11.0, 0.0, -0.5, 40.0]
    assert array.attrs["spatial:dimensions"] == ["lat", "lon"]
    assert {c["name"] for c in array.attrs["zarr_conventions"]} == {"proj", "spatial"}
    assert "WGS 84" in array["crs"].attrs["spatial_ref"]
    other = replace(request, output=str(store.with_name("fine.nc")))
    super_resolve(other, Silent())
    with xarray.open_dataset(other.output) as data:
        assert data[name].values.tobytes() == array.values.tobytes()
    raster = Raster(RasterRef(str(store)), "store")  # the engine reads its own
    assert raster.units == "mm" and str(raster.dates[0]) == "2001-01"
    raster.close()


@pytest.mark.parametrize("name", ["fine.tif", "fine.zarr"])
def test_after_a_stop_it_goes_on_to_the_same_bytes(
    run_of: RunOf, stopped: Callable, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    request = run_of(name)
    wanted = {"zarr_format": 3}
    in_parts(request, **wanted)
    folder = Path(request.output).parent
    expected = bytes_in(folder)
    shutil.rmtree(folder)
    folder.mkdir()
    made = stopped(17, EngineError("The cluster has gone."))
    with pytest.raises(EngineError) as caught:
        in_parts(request, resume=False, **wanted)
    assert str(caught.value) == (
        f"The cluster has gone; 17 of {PARTS} parts are kept in {request.output}.parts: repeat the command "
        "with --resume to go on."
    )
    assert not Path(request.output).exists() and len(made) == 17
    with pytest.raises(InputError, match="go on with them by --resume, or remove it"):
        in_parts(request, resume=False, **wanted)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")  # it goes on with the time of its beginning
    made = stopped(PARTS, EngineError("no more"))
    in_parts(request, **wanted)
    assert len(made) == PARTS - 17 and bytes_in(folder) == expected


def test_a_cancelled_run_keeps_its_parts(run_of: RunOf, stopped: Callable) -> None:
    request, told = run_of("fine.tif"), Silent()
    stopped(5, Cancelled("The run was cancelled."))
    with pytest.raises(Cancelled):
        in_parts(request, told)
    assert f"5 of {PARTS} parts are kept" in told.warnings[-1]


def test_damaged_parts_are_made_again(run_of: RunOf, plain: Plain, stopped: Callable) -> None:
    request = run_of("fine.tif")
    expected = plain(request)
    stopped(30, EngineError("stop"))
    with pytest.raises(EngineError):
        in_parts(request)
    folder = Path(f"{request.output}.parts")
    chunks = sorted(p for p in (folder / "output.zarr").rglob("c/*/*/*") if p.is_file())
    chunks[0].unlink()
    chunks[1].write_bytes(chunks[1].read_bytes()[:-1])
    lines = (folder / "done.jsonl").read_bytes()
    (folder / "done.jsonl").write_bytes(lines[:-9])  # killed while it wrote the line
    made, told = stopped(PARTS, EngineError("no more")), Silent()
    in_parts(request, told)
    assert len(made) == 30 + 3 and "2 parts were damaged and are made again." in told.warnings
    assert bytes_in(Path(request.output).parent) == expected


def test_parts_of_another_run_are_refused(run_of: RunOf, stopped: Callable) -> None:
    request = run_of("fine.tif")
    stopped(3, EngineError("stop"))
    with pytest.raises(EngineError):
        in_parts(request)
    with pytest.raises(InputError, match="another run, the request was another one"):
        in_parts(replace(request, conservation=0.5))
    with pytest.raises(InputError, match="another run, the dates was another one"):
        in_parts(replace(request, all_dates=False, date="2001-01"))
    os.utime(request.target.path, (1, 1))
    with pytest.raises(InputError, match="another run, an input file was another one"):
        in_parts(request)


def test_a_full_disk_is_told_and_nothing_is_lost(
    run_of: RunOf, plain: Plain, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = run_of("fine.tif")
    expected = plain(request)
    left = iter([2**30] * 6 + [100])
    with monkeypatch.context() as context:
        context.setattr(part_task, "free_bytes", lambda folder: next(left))
        with pytest.raises(EngineError, match=rf"is full, or nearly so; 6 of {PARTS} parts are kept"):
            in_parts(request)
    in_parts(request)
    assert bytes_in(Path(request.output).parent) == expected


def test_what_each_part_leaves_free_is_asked_for_before_the_first(
    run_of: RunOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = run_of("fine.tif")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=part_task.ROOM - 1))
    with pytest.raises(InputError, match=r"^The output needs about .* are free: make room there"):
        in_parts(request)
    assert list(Path(request.output).parent.iterdir()) == []


def test_a_folder_of_something_else_is_left_alone(run_of: RunOf) -> None:
    request = run_of("fine.tif")
    folder = Path(f"{request.output}.parts")
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is in the way, and no folder of an earlier run"):
        in_parts(request)
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("wanted", "parts", "format"),
    [
        (PartsRequest(), False, 2),
        (PartsRequest(threads=2), False, 2),
        (PartsRequest(resume=True), True, 2),
        (PartsRequest(cluster="local:3"), True, 2),
        (PartsRequest(cluster="tcp://a:8786", zarr_format=3), True, 3),
        (PartsRequest(zarr_format=3), True, 3),
    ],
)
def test_what_is_asked_says_how(wanted: PartsRequest, parts: bool, format: int) -> None:
    assert (wanted.in_parts, wanted.format) == (parts, format)


def test_a_cluster_on_this_machine_is_named_rightly_or_refused() -> None:
    for name, workers in (("local", 0), ("local:3", 3), ("local.json", None), ("localhost:8786", None)):
        assert PartsRequest(cluster=name).local == workers
    for name in ("local:0", "local:-1", "local:1025", "local:99999", "local:", "local:two", "LOCAL:2"):
        with pytest.raises(
            InputError, match=rf"^--cluster {name}: write local, or local:N with N from 1 to 1024"
        ):
            _ = PartsRequest(cluster=name).local
    with pytest.raises(InputError, match=r"^--cluster names no cluster"):
        _ = PartsRequest(cluster=" ").local


def test_an_input_that_changes_while_parts_are_made_is_refused_before_they_are_joined(
    run_of: RunOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = run_of("fine.tif")
    before = os.stat(request.target.path).st_mtime_ns

    def make(job, number):
        os.utime(request.target.path, (1, 1))
        return make_part(job, number)

    with monkeypatch.context() as context, pytest.raises(InputError) as caught:
        context.setattr(makers, "make_part", make)
        in_parts(request)
    assert str(caught.value) == (
        f"While the parts in {request.output}.parts were made, an input file became another one: remove the "
        "folder and begin again, or bring back what there was."
    )
    assert not Path(request.output).exists()
    os.utime(request.target.path, ns=(before, before))
    made = []
    monkeypatch.setattr(makers, "make_part", lambda *given: made.append(given))
    in_parts(request)
    assert Path(request.output).exists() and made == []


def grow(path: str) -> None:
    with Path(path).open("ab") as file:
        file.write(b"more")


def test_a_worker_that_sees_another_raster_makes_no_part(
    run_of: RunOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = run_of("fine.tif")
    make = makers.OwnProcess.make

    def elsewhere(*given) -> None:
        grow(request.target.path)
        make(*given)

    monkeypatch.setattr(makers.OwnProcess, "make", elsewhere)
    with pytest.raises(InputError) as caught:
        in_parts(request)
    assert str(caught.value) == (
        f"target: {request.target.path} is another one here than it was where and when the run began: all of "
        "its processes must see the same rasters."
    )


@pytest.mark.parametrize("model", ["bicubicsmooth", "sharpen"])
def test_nor_does_one_that_makes_a_lazy_array(run_of: RunOf, tmp_path: Path, model: str) -> None:
    request = run_of("fine.tif")
    sources = {} if model != "sharpen" else {"dem": str(tmp_path / "dem.tif")}
    field = api.super_resolve(request.target.path, model, sources, factor=4, date="2001-01", tile=3)
    grow(request.target.path)
    with pytest.raises(InputError, match="is another one here than it was where and when the run began"):
        field.compute()
