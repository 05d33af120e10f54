"""What cannot become a store is refused before any raster is aligned."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine

from engine.errors import InputError
from training.preparation.building import BlockFiller
from training.preparation.prepare import prepare
from training.preparation.series import GivenRaster

DATES = [f"2001-{m:02d}" for m in range(1, 13)]


@pytest.fixture(autouse=True)
def page(monkeypatch: pytest.MonkeyPatch) -> None:
    """No page is drawn."""
    monkeypatch.setattr("training.preparation.prepare.write_summary", lambda *_: None)


def write(path: Path, values: np.ndarray, cell: float, nodata: float | None = None) -> None:
    """Write months of a field from one corner on."""
    count, height, width = values.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        crs="EPSG:3035",
        transform=Affine(cell, 0, 4_000_000, 0, -cell, 2_800_000),
        dtype="float32",
        count=count,
        height=height,
        width=width,
        nodata=nodata,
    ) as file:
        file.write(values.astype(np.float32))
        for band in range(1, count + 1):
            file.update_tags(band, DATE=DATES[band - 1])


def described(folder: Path, target: dict[str, Any] | None = None, **more: Any) -> Path:
    """Describe `rain.tif`, averaged two by two, with elevation."""
    fine = {"files": "rain.tif", "file_units": "mm"}
    settings = {
        "name": "small",
        "title": "Small",
        "citation": "none",
        "licence": "CC0-1.0",
        "factor": 2,
        "target": {"name": "rain", "units": "mm", "fine": fine, **(target or {})},
        "sources": [
            {"name": "elevation", "units": "m", "file_units": "m", "grid": "fine", "files": "elevation.tif"}
        ],
        **more,
    }
    path = folder / "dataset.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve months of rain, 8 × 10 cells, and elevation."""
    write(tmp_path / "rain.tif", np.arange(960.0).reshape(12, 8, 10), 500)
    write(tmp_path / "elevation.tif", np.ones((1, 8, 10)), 500)
    return tmp_path


def test_a_store_larger_than_the_disk_is_refused_before_a_cell_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 12 × 80 fine cells, 80 of elevation, 12 × 20 means, 4 bytes each
    free = {"free": 5119}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), free))
    read: list[int] = []
    values = GivenRaster.values
    monkeypatch.setattr(GivenRaster, "values", lambda *a, **k: read.append(1) or values(*a, **k))
    with pytest.raises(InputError) as refused:
        prepare(described(folder), folder / "stores" / "out.zarr")
    assert str(refused.value) == (
        f"The store out.zarr needs about 5.1 kB in {folder / 'stores'}, but only 5.1 kB are free: make "
        "room there, or choose another folder or a smaller extent or period."
    )
    assert read == [] and not (folder / "stores").exists()
    free["free"] = 5120
    assert prepare(described(folder), folder / "stores" / "out.zarr").store.exists()


@pytest.mark.parametrize("why", ["missing", "valid_range"])
def test_a_target_without_a_valid_cell_is_refused_before_the_work(
    folder: Path, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target: dict[str, Any] = {}
    if why == "missing":
        write(folder / "rain.tif", np.full((12, 8, 10), np.nan), 500)
    else:
        target["valid_range"] = [5000, 6000]
    monkeypatch.setattr(BlockFiller, "fill", lambda *_: pytest.fail("the work has begun"))
    with pytest.raises(InputError) as refused:
        prepare(described(folder, target), folder / "out.zarr")
    assert str(refused.value) == (
        "target.fine has no valid cell on the grid: check nodata, valid_range and extent."
    )
    assert not (folder / "out.zarr").exists()


def test_a_target_with_values_on_one_date_alone_is_taken(folder: Path) -> None:
    values = np.full((12, 8, 10), np.nan)
    values[3, 2:4, 2:4] = 7.0
    write(folder / "rain.tif", values, 500)
    assert prepare(described(folder), folder / "out.zarr").store.exists()


def test_a_cover_that_no_cell_reaches_is_named(folder: Path) -> None:
    values = np.full((12, 8, 10), np.nan)
    values[:, ::2] = 7.0
    write(folder / "rain.tif", values, 500)
    with pytest.raises(InputError, match=r"^target\.min_cover: no coarse cell has 0\.9 of"):
        prepare(described(folder, {"min_cover": 0.9}), folder / "out.zarr")
