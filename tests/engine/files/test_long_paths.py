"""Paths that are too long for Windows: one sentence before the run, and no other's blame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from engine.feedback import Silent
from engine.files import long_paths
from engine.files.system_errors import system_reason
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import RasterRef


@pytest.fixture()
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows without long paths."""
    monkeypatch.setattr(long_paths, "_LIMITED", True)
    monkeypatch.setattr(long_paths, "_are_allowed", lambda: False)


def of_length(folder: Path, signs: int, name: str) -> Path:
    """Return a path of that many signs below a folder, in folders whose names are allowed."""
    while len(str(folder / name)) + 101 < signs:
        folder = folder / ("d" * 100)
    rest = signs - len(str(folder / name)) - 1
    return folder / ("e" * rest) / name if rest > 0 else folder / name


def test_the_limit(limited: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert long_paths.too_long(of_length(tmp_path, 259, "a.tif")) == 0
    assert long_paths.too_long(of_length(tmp_path, 260, "a.tif")) == 260
    assert long_paths.too_long_to_write(of_length(tmp_path, 215, "a.tif")) == 0
    assert long_paths.too_long_to_write(of_length(tmp_path, 240, "a.tif")) > 259
    monkeypatch.setattr(long_paths, "_are_allowed", lambda: True)
    assert long_paths.too_long(of_length(tmp_path, 400, "a.tif")) == 0


@pytest.mark.parametrize("signs", [250, 300])
def test_an_output_of_too_long_a_path_is_refused_before_the_run(
    limited: None, write_raster: Callable[..., str], tmp_path: Path, signs: int
) -> None:
    target = write_raster("coarse.tif", np.ones((4, 5), np.float32))
    output = of_length(tmp_path, signs, "fine.tif")
    if signs < 260:  # a longer folder is not there for Windows
        output.parent.mkdir(parents=True)
    request = SuperResolveRequest("bicubic", RasterRef(target), str(output), factor=2)
    with pytest.raises(InputError, match=r"fine\.tif: while it is written, its path has \d+ signs"):
        super_resolve(request, Silent())


def test_an_input_of_too_long_a_path_is_not_said_to_be_missing(limited: None, tmp_path: Path) -> None:
    target = of_length(tmp_path, 300, "coarse.tif")
    request = SuperResolveRequest("bicubic", RasterRef(str(target)), str(tmp_path / "fine.tif"), factor=2)
    with pytest.raises(InputError, match=r"target: .*coarse\.tif: its path has 300 signs, and Windows"):
        super_resolve(request, Silent())


@pytest.mark.parametrize("number", [3, 206])
def test_what_windows_says_of_a_long_path_is_not_taken_for_a_missing_file(limited: None, number: int) -> None:
    error = FileNotFoundError(2, "The system cannot find the path specified", "x" * 300)
    error.winerror = number  # type: ignore[attr-defined]  # which only Windows' errors have
    assert "Windows takes 259" in system_reason(error)
    assert "Windows" not in system_reason(FileNotFoundError(2, "No such file or directory", "x"))
