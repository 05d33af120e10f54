"""A run that is finished already ends at once, and only where the very same run made its files."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

pytest.importorskip("zarr", "3.0.8")

from engine.cluster import makers
from engine.cluster.part_task import make_part
from engine.cluster.parts_run import PartsRun
from engine.commands import cli
from engine.errors import InputError
from engine.feedback import Silent
from engine.pipeline.request import EnsembleRequest, SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef
from tests.engine.cluster.conftest import PARTS, bytes_in, in_parts

RunOf = Callable[..., SuperResolveRequest]


class Hearing(Silent):
    """Keeps every line."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def log(self, message: str, level: str = "info") -> None:
        super().log(message, level)
        self.lines.append(message)


@pytest.fixture()
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the parts that are made."""
    numbers: list[int] = []
    monkeypatch.setattr(makers, "make_part", lambda job, n: numbers.append(n) or make_part(job, n))
    return numbers


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("fine.tif", {}), ("fine.nc", {}), ("fine.zarr", {}), ("fine.zarr", {"zarr_format": 3})],
)
def test_the_same_run_again_ends_at_once(run_of: RunOf, made: list[int], name: str, wanted: dict) -> None:
    request, told = run_of(name), Hearing()
    first = in_parts(request, **wanted)
    folder = Path(request.output).parent
    before, times = bytes_in(folder), {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    made.clear()
    again = in_parts(request, told, **wanted)
    assert made == [] and bytes_in(folder) == before
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == times
    assert again.finished and not first.finished
    assert (again.output, again.residual, again.dates) == (
        first.output,
        float(f"{first.residual:.6g}"),
        first.dates,
    )
    assert math.isnan(again.covered)  # not known without reading
    assert (
        f"{request.output} is finished already, by this same run: remove it to make it again." in told.lines
    )
    in_parts(replace(request, overwrite=False), **wanted)
    assert made == []


def test_a_run_without_parts_made_it(run_of: RunOf, made: list[int]) -> None:
    request = run_of("fine.tif")
    super_resolve(request, Silent())
    assert in_parts(request).finished and made == []


def test_without_resume_it_is_made_again(run_of: RunOf, made: list[int]) -> None:
    request = run_of("fine.tif")
    in_parts(request)
    made.clear()
    assert not in_parts(request, resume=False, zarr_format=3).finished
    assert len(made) == PARTS


def _other_values(request: SuperResolveRequest) -> SuperResolveRequest:
    """Change cells of the target; size and time stay."""
    path = Path(request.target.path)
    before = path.stat()
    with rasterio.open(path, "r+") as file:
        file.write(file.read(1) + np.float32(1), 1)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    return request


def _a_nanosecond(request: SuperResolveRequest) -> SuperResolveRequest:
    times = os.stat(request.target.path)
    os.utime(request.target.path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    return request


@pytest.mark.parametrize(
    ("change", "point"),
    [
        (_other_values, "an input file"),
        (_a_nanosecond, "an input file"),
        (lambda r: replace(r, conservation=0.5), "the request"),
        (lambda r: replace(r, all_dates=False, date="2001-01"), "the request"),
        (lambda r: replace(r, target=replace(r.target, units="cm")), "the request"),
        (lambda r: replace(r, model="bicubic"), "the method"),
        (lambda r: replace(r, tile=4), "the request"),
    ],
)
def test_that_of_another_run_is_not_taken_for_it(
    run_of: RunOf, made: list[int], change: Callable, point: str
) -> None:
    request, told = run_of("fine.tif"), Hearing()
    in_parts(request)
    made.clear()
    other = change(request)
    with pytest.raises(InputError) as caught:
        in_parts(replace(other, overwrite=False))
    sentence = f"{request.output} exists already, but by another run, {point} was another one"
    assert str(caught.value) == f"{sentence}: remove it, or choose another file." and made == []
    assert not in_parts(other, told).finished and made != []
    assert f"{sentence}: it is made anew." in told.warnings


def test_nor_is_a_file_that_tells_nothing_of_its_run(run_of: RunOf, made: list[int], write_raster) -> None:
    request = run_of("fine.tif")
    shutil.copy(write_raster("any.tif", np.ones((4, 4), np.float32)), request.output)
    with pytest.raises(InputError, match=r"but fine\.tif does not say which run made it"):
        in_parts(replace(request, overwrite=False))
    assert not in_parts(request).finished and len(made) == PARTS


def test_nor_one_cut_short(run_of: RunOf, made: list[int]) -> None:
    request = run_of("fine.tif")
    in_parts(request)
    path = Path(request.output)
    path.write_bytes(path.read_bytes()[:100])
    made.clear()
    assert not in_parts(request).finished and len(made) == PARTS


def test_all_files_of_a_run_must_be_there(
    run_of: RunOf, model: Path, tmp_path: Path, made: list[int]
) -> None:
    out = tmp_path / "out"
    asked = EnsembleRequest(2, spread=str(out / "spread.tif"), member_file=str(out / "members.nc"))
    request = run_of("mean.tif", model, ensemble=asked, tile=5)
    in_parts(request)
    made.clear()
    assert in_parts(request).finished and in_parts(request).outputs["spread"].endswith("spread.tif")
    shutil.copy(out / "mean.tif", out / "spread.tif")
    assert not in_parts(request).finished
    (out / "members.nc").unlink()
    assert not in_parts(request).finished and (out / "members.nc").is_file()
    assert made != []


def test_parts_that_a_kill_has_left_beside_a_finished_file_go(
    run_of: RunOf, made: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = run_of("fine.tif")
    with monkeypatch.context() as context:  # killed between the last name and the end
        context.setattr("engine.cluster.parts_folder.PartsFolder.remove", lambda folder: None)
        in_parts(request)
    assert Path(f"{request.output}.parts").is_dir()
    made.clear()
    assert in_parts(request).finished and made == []
    assert not Path(f"{request.output}.parts").exists()


def test_what_a_method_learns_is_not_learned_first(
    run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = run_of("fine.tif", "sharpen", sources={"dem": RasterRef(str(tmp_path / "dem.tif"))})
    first = in_parts(request)
    monkeypatch.setattr(PartsRun, "__init__", lambda *_: pytest.fail("it began"))
    again = in_parts(request)
    assert again.finished and again.sharpening == json.loads(json.dumps(first.sharpening))


def test_the_command_line_says_so(
    run_of: RunOf, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = run_of("fine.tif")
    words = ["super-resolve", "--model", "bicubic", "--factor", "4", "--target", request.target.path]
    words += ["--output", request.output, "--date", "2001-01", "--resume"]
    assert cli.main(words) == 0
    with rasterio.open(request.output) as file:
        assert len(file.tags()["MSR_REQUEST"]) == 32
    capsys.readouterr()
    assert cli.main(words) == 0
    told = capsys.readouterr().out
    assert "is finished already, by this same run" in told and "Nothing was to do for" in told
    assert cli.main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["finished"] is True and result["covered"] is None
