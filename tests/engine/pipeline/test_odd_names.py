"""Files whose names hold what other programs take for more than a name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import GridRequest, RasterRef

NAMES = [
    "with space",
    "ünïcödé 雨",
    "it's",
    'say "x"',
    "a#1",
    "a#2b",
    "q?mark=1",
    "co:lon",
    "100%",
    "a%20b",
    "two\nlines",
    "semi;colon,comma",
    "{brace}",
    "l" * 240,
    "é" * 120,
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("in_folder", [False, True])
def test_any_name_is_read_and_written(tmp_path: Path, write_raster, name: str, in_folder: bool) -> None:
    values = np.arange(24, dtype=np.float32).reshape(4, 6)
    plain = write_raster("plain.tif", values, 1.0, 10, 40, units="mm")
    folder = tmp_path / name if in_folder else tmp_path
    folder.mkdir(exist_ok=True)
    target = folder / ("in.tif" if in_folder else f"{name}.tif")
    output = folder / ("out.tif" if in_folder else f"{name[:-1]}_.tif")
    target.write_bytes(Path(plain).read_bytes())
    known = SuperResolveRequest("bicubic", RasterRef(plain), str(tmp_path / "known.tif"), factor=2)
    super_resolve(known, Silent())
    request = SuperResolveRequest("bicubic", RasterRef.parse(str(target)), str(output), factor=2)
    assert super_resolve(request, Silent()).covered == 1
    super_resolve(replace(request, grid=GridRequest(like=str(target))), Silent())  # also as the reference
    super_resolve(request, Silent())
    with rasterio.open(output.rename(tmp_path / "read.tif")) as one, rasterio.open(known.output) as other:
        np.testing.assert_array_equal(one.read(), other.read())
    assert [p.name for p in folder.iterdir() if ".part" in p.name] == []
