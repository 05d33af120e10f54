"""As on Windows: a file that this process has open can be neither removed nor renamed, nor replaced."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from engine.errors import Cancelled, EngineError
from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import GridRequest, RasterRef
from engine.raster.written import raster_writer

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux' list of open files")
ELSEWHERE = GridRequest(crs="EPSG:3035", resolution=25_000, extent=(4.4e6, 0.9e6, 5.43e6, 1.7e6))


def is_open(path: str) -> bool:
    """Return whether this process has a file open or mapped."""
    real = os.path.realpath(path)
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}") == real:
                return True
        except OSError:  # the list's own
            continue
    return any(line.rstrip().endswith(f" {real}") for line in Path("/proc/self/maps").open(encoding="utf-8"))


@pytest.fixture(autouse=True)
def refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Refuse to touch open files; the list of what was refused, which is to be empty in the end."""
    tried: list[str] = []

    def guarded(name: str, count: int) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any, **more: Any) -> Any:
            for path in map(os.fspath, arguments[:count]):
                if "dir_fd" not in more and is_open(path):
                    tried.append(f"{name} {path}")
                    raise PermissionError(13, "used by another process", path)
            return real(*arguments, **more)

        return call

    for name, count in (("unlink", 1), ("remove", 1), ("rename", 2), ("replace", 2)):
        monkeypatch.setattr(os, name, guarded(name, count))
    yield tried
    assert tried == []


@pytest.fixture()
def base(write_raster: Callable[..., str], tmp_path: Path) -> SuperResolveRequest:
    """Several dates of rain, in a folder where nothing else is; tiles of five cells."""
    rain = np.random.default_rng(3).gamma(1.0, 40, (2, 12, 18)).astype(np.float32)
    dates = ["2001-01", "2001-02"]
    target = write_raster("coarse.tif", rain, 2.0, 10.0, 40.0, units="mm/month", dates=dates)
    (tmp_path / "out").mkdir()
    output = str(tmp_path / "out/fine.tif")
    return SuperResolveRequest("bicubic", RasterRef(target), output, factor=4, tile=5, all_dates=True)


def left(request: SuperResolveRequest) -> list[str]:
    return sorted(path.name for path in Path(request.output).parent.iterdir())


class Ending(Silent):
    """Stops at a phase, at once or when it is asked for the nth time in it."""

    def __init__(self, phase: str, after: int = 0) -> None:
        super().__init__()
        self.phase, self.after, self.reached = phase, after, False

    def progress(self, fraction: float, phase: str, *rest: object) -> None:
        self.reached = self.reached or phase.startswith(self.phase)

    def check_cancelled(self) -> None:
        self.after -= self.reached
        if self.after < 0:
            raise Cancelled("stopped")


def test_the_guard_guards(tmp_path: Path, refused: list[str]) -> None:
    path = tmp_path / "a.txt"
    with path.open("w"), pytest.raises(PermissionError):
        path.unlink()
    assert refused.pop() == f"unlink {path}"
    path.unlink()


@pytest.mark.parametrize("grid", [None, ELSEWHERE], ids=["own cells", "another grid"])
def test_a_run_lets_go_of_what_it_renames_and_removes(
    base: SuperResolveRequest, grid: GridRequest | None
) -> None:
    for _ in range(2):  # the second replaces the first one's file
        super_resolve(replace(base, grid=grid), Silent())
        assert left(base) == ["fine.tif"]
    with rasterio.open(base.output) as file:
        assert file.count == 2 and np.isfinite(file.read()).any()


@pytest.mark.parametrize(
    ("phase", "after"), [("Loading", 0), ("Super", 0), ("Super", 4), ("Writing", 0), ("Comparing", 0)]
)
def test_a_cancelled_run_removes_all_that_is_its_own(
    base: SuperResolveRequest, phase: str, after: int
) -> None:
    with pytest.raises(Cancelled):
        super_resolve(replace(base, grid=ELSEWHERE), Ending(phase, after))
    assert left(base) == []


@pytest.mark.parametrize("place", ["_convert", "write"])
def test_a_failed_run_removes_all_that_is_its_own(
    base: SuperResolveRequest, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    Path(base.output).write_text("an older one", encoding="utf-8")
    monkeypatch.setattr(raster_writer.RasterWriter, place, full)
    with pytest.raises((EngineError, OSError)):
        super_resolve(base, Silent())
    assert left(base) == ["fine.tif"]
    assert Path(base.output).read_text(encoding="utf-8") == "an older one"


def test_a_netcdf_file_is_let_go(base: SuperResolveRequest, tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    path = tmp_path / "rain.nc"
    values = np.random.default_rng(3).gamma(1.0, 40, (6, 8))
    field = xarray.DataArray(
        values, {"lat": np.arange(40.0, 28, -2), "lon": np.arange(10.0, 26, 2)}, ("lat", "lon"), "rain"
    )
    field.attrs["units"] = "mm"
    field.to_netcdf(path)
    with pytest.raises(Cancelled):
        super_resolve(replace(base, target=RasterRef(str(path)), all_dates=False), Ending("Super", 1))
    super_resolve(replace(base, target=RasterRef(str(path)), all_dates=False), Silent())
    assert left(base) == ["fine.tif"]
    path.unlink()  # which the guard refuses while any reader has it open
