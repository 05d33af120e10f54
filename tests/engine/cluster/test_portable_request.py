"""Names of rasters, as processes in other folders understand them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engine.cluster.portable_request import portable
from engine.errors import InputError
from engine.pipeline.request import SuperResolveRequest
from engine.raster.opening import open_raster
from engine.raster.reference import GridRequest, RasterRef

SIMPLE = SimpleNamespace(package=None)


@pytest.fixture()
def home(write_raster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    shutil.move(write_raster("a.tif", np.ones((4, 4), np.float32)), folder / "a.tif")
    shutil.make_archive(str(folder / "z"), "zip", folder, "a.tif")
    (folder / "refs.json").write_text('{"version": 1, "refs": {".zgroup": "{}"}}')
    (folder / "t").mkdir()
    shutil.copy(folder / "a.tif", folder / "t")
    (folder / "refs.parq").mkdir()
    (folder / "refs.parq" / ".zmetadata").write_text('{"metadata": {}, "record_size": 5}')
    monkeypatch.chdir(folder)
    return folder


def named(name: str) -> str:
    request = SuperResolveRequest(
        "m", RasterRef.parse(name), "o.tif", {"s": RasterRef(name)}, GridRequest(name)
    )
    made = portable(request, SIMPLE)
    assert made.sources["s"].address == made.target.address
    return made.target.address


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("a.tif", "{}/a.tif"),
        ("t/a.tif", "{}/t/a.tif"),
        ("vrt://a.tif?bands=1", "vrt://{}/a.tif?bands=1"),
        ("/vsizip/z.zip/a.tif", "/vsizip/{}/z.zip/a.tif"),
        ("GTIFF_DIR:1:a.tif", "GTIFF_DIR:1:{}/a.tif"),
        ("GTIFF_DIR:1:t/a.tif", "GTIFF_DIR:1:{}/t/a.tif"),
        ("{}/a.tif", "{}/a.tif"),
        ("vrt://{}/a.tif?bands=1", "vrt://{}/a.tif?bands=1"),
    ],
)
def test_a_name_is_understood_in_another_folder(
    home: Path, name: str, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, whole = name.replace("{}", str(home)), whole.replace("{}", str(home))
    assert named(name) == whole
    monkeypatch.chdir("/")
    open_raster(RasterRef(whole), "target").close()


@pytest.mark.parametrize("name", ["refs.json:tp", "refs.parq:tp", "refs.json", "refs.parq"])
def test_so_are_references(home: Path, name: str) -> None:
    assert named(name) == f"{home}/{name}"


@pytest.mark.parametrize(
    "name",
    ["https://host/a.tif", "https://host/a.zarr:tp?token=x", "/vsicurl/https://host/a.tif", "gone.tif"],
)
def test_what_lies_elsewhere_stays(home: Path, name: str) -> None:
    assert named(name) == name and os.getcwd() == str(home)


@pytest.mark.usefixtures("home")
def test_a_text_that_names_files_of_this_folder_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        named('<VRTDataset><SourceFilename relativeToVRT="0">a.tif</SourceFilename></VRTDataset>')
    assert str(caught.value) == (
        "A VRT given as text names a.tif, which other processes cannot find: give its path from the root."
    )
