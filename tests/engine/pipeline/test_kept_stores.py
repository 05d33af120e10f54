"""No output takes the place of a Zarr store that the run reads, goes into one, or fails only in the end."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.cf.store_contents import is_store
from engine.raster.reference import RasterRef


@pytest.fixture()
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_raster) -> Path:
    """The working folder: a.tif, and the store s.zarr."""
    write_raster("a.tif", np.ones((6, 6), np.float32), 1.0, 10.0, 40.0)
    monkeypatch.chdir(tmp_path)
    run("a.tif", "s.zarr")
    return tmp_path


def run(target: str, output: str) -> None:
    super_resolve(SuperResolveRequest("bicubic", RasterRef(target), output, factor=2), Silent())


def contents(store: str) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in Path(store).rglob("*") if file.is_file()}


@pytest.mark.parametrize("way", ["s.zarr", "./s.zarr/", 'ZARR:"s.zarr":/target', "link.zarr", "s.vrt"])
def test_a_store_that_is_read_is_not_replaced(place: Path, way: str) -> None:
    os.symlink("s.zarr", "link.zarr")
    Path("s.vrt").write_text(
        '<VRTDataset rasterXSize="12" rasterYSize="12"><SRS>EPSG:4326</SRS>'
        "<GeoTransform>10, 0.5, 0, 40, 0, -0.5</GeoTransform>"
        '<VRTRasterBand dataType="Float32" band="1"><SimpleSource><SourceFilename relativeToVRT="0">'
        f'ZARR:"{place}/s.zarr":/target</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    before = contents("s.zarr")
    with pytest.raises(InputError, match=r"s\.zarr (is also|would replace)"):
        run(way, "s.zarr")
    assert contents("s.zarr") == before


def test_no_output_goes_into_a_store(place: Path) -> None:
    before = contents("s.zarr")
    for output in ("s.zarr/new.nc", "s.zarr/target/new.tif"):
        with pytest.raises(InputError, match="lies in the Zarr store"):
            run("a.tif", output)
    assert contents("s.zarr") == before


def test_what_no_store_can_replace_is_refused_before_the_run(place: Path) -> None:
    Path("file.zarr").write_text("mine")
    os.symlink("s.zarr", "link.zarr")
    os.symlink("nowhere", "lost.zarr")
    Path("other.zarr").mkdir()
    Path("other.zarr/mine.txt").write_text("mine")
    Path("folder.tif").mkdir()
    os.mkfifo("pipe.tif")
    reasons = {
        "file.zarr": "it is a file, and a Zarr store is a folder",
        "link.zarr": "it is a link",
        "lost.zarr": "it is a link",
        "other.zarr": "it is a folder that holds no Zarr store",
        "folder.tif": "it is a folder",
        "pipe.tif": "it is no ordinary file",
    }
    for output, why in reasons.items():
        with pytest.raises(InputError, match=rf"{output} cannot be written, as {why}: choose another"):
            run("a.tif", output)
    assert Path("file.zarr").read_text() == "mine" and os.path.islink("link.zarr")
    assert Path("other.zarr/mine.txt").read_text() == "mine"


def test_a_folder_without_rights_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match=r"cannot be written, as the folder .* is write-protected"):
        run("a.tif", "b.tif")


def test_a_store_of_an_earlier_run_is_replaced(place: Path) -> None:
    run("a.tif", "s.zarr")
    assert sorted(entry.name for entry in place.iterdir()) == ["a.tif", "s.zarr"]


def test_a_text_too_long_for_a_name_is_no_store() -> None:
    assert not is_store("Rain of the maps, each of them optional. " * 20)
