"""Stores from rasters that write their longitudes in different ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray
import yaml
from affine import Affine

from engine.errors import InputError
from training.data.store import load
from training.preparation.prepare import prepare

K = 2


def write(path: Path, values: np.ndarray, cell: float, left: float, top: float = 20.0) -> None:
    values = values if values.ndim == 3 else values[None]
    with rasterio.open(
        path, "w", driver="GTiff", dtype="float32", crs="EPSG:4326", nodata=np.nan,
        count=len(values), height=values.shape[1], width=values.shape[2],
        transform=Affine(cell, 0, left, 0, -cell, top),
    ) as file:  # fmt: skip
        file.write(values.astype(np.float32))
        for band in file.indexes:
            file.update_tags(band, DATE=f"2001-{band:02d}")


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, **more: object) -> xarray.Dataset:
    described: dict = {"name": "a", "title": "A", "citation": "none", "licence": "CC0-1.0", "factor": K}
    described |= {
        "target": {"name": "rain", "units": "mm", "fine": {"files": "fine.tif", "file_units": "mm"}}
    }
    described |= more
    (folder / "a.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")
    monkeypatch.setattr("training.preparation.prepare.write_summary", lambda *_: None)
    prepare(folder / "a.yaml", folder / "a.zarr", workers=1)
    return xarray.open_zarr(folder / "a.zarr")


@pytest.fixture()
def fine() -> np.ndarray:
    return np.random.default_rng(0).random((2, 8, 12)).astype(np.float32)


@pytest.mark.parametrize("lefts", [(230.0, -130.0), (-130.0, 230.0), (-6.0, 354.0), (174.0, -186.0)])
def test_truth_coarse_product_and_source_at_different_turns(tmp_path, monkeypatch, fine, lefts) -> None:
    one, other = lefts
    write(tmp_path / "fine.tif", fine, 1.0, one)
    coarse = fine.reshape(2, 4, K, 6, K).mean((2, 4)) + 1
    write(tmp_path / "coarse.tif", coarse, 2.0, other)
    write(tmp_path / "elevation.tif", fine[0] * 100, 1.0, other)
    target = {"name": "rain", "units": "mm"}
    target |= {grid: {"files": f"{grid}.tif", "file_units": "mm"} for grid in ("fine", "coarse")}
    elevation = {
        "name": "elevation",
        "grid": "fine",
        "files": "elevation.tif",
        "units": "m",
        "file_units": "m",
    }
    store = made(tmp_path, monkeypatch, target=target, sources=[elevation])
    np.testing.assert_array_equal(store["target_fine"].values, fine)
    np.testing.assert_allclose(store["target_coarse"].values, coarse, rtol=1e-6)
    np.testing.assert_array_equal(np.squeeze(store["elevation"].values), fine[0] * 100)
    assert store["fine_x"].values[0] == one + 0.5


@pytest.mark.parametrize("extent", [(-4.0, 12.0, 4.0, 20.0), (356.0, 12.0, 364.0, 20.0)])
def test_an_extent_across_the_seam_of_a_world_truth(tmp_path, monkeypatch, extent) -> None:
    world = np.arange(180, dtype=np.float32)[None, None].repeat(8, 1)
    write(tmp_path / "fine.tif", world, 2.0, 0.0)
    store = made(tmp_path, monkeypatch, grid={"extent": extent})
    np.testing.assert_array_equal(store["target_fine"].values[0, 0], [178, 179, 0, 1])
    assert store["fine_x"].values[0] == extent[0] + 1


@pytest.mark.parametrize(
    ("grid", "sentence"),
    [
        ({"resolution": 1, "extent": [-1e12, -1e12, 1e12, 1e12]}, "check the resolution"),
        ({"resolution": 1e-300}, "check the resolution"),
        ({"resolution": 1e300}, "resolution"),
        ({"resolution": 10**400}, "line 4: the number 1000.* has too many digits"),
        ({"extent": [-1e12, -1e12, -1e11, -1e11]}, "does not overlap"),
        ({"extent": [100, 0, 90, 10]}, "extent"),
    ],
)
def test_a_silly_grid_is_refused_at_once(tmp_path, monkeypatch, fine, grid, sentence) -> None:
    write(tmp_path / "fine.tif", fine, 1.0, 0.0)
    with pytest.raises(InputError, match=sentence):
        made(tmp_path, monkeypatch, grid=grid)


def test_columns_of_a_store_are_found_at_any_turn(tmp_path, monkeypatch, fine) -> None:
    write(tmp_path / "fine.tif", fine, 1.0, 352.0)
    made(tmp_path, monkeypatch)
    archive = load(K, str(tmp_path / "a.zarr"))
    assert archive.columns_of((352.0, 356.0)) == archive.columns_of((-8.0, -4.0)) == (0, 2)
    assert archive.columns_of((-4.0, 2.0)) == (2, 5)
    for left in (-4.0, 356.0):
        part = load(K, str(tmp_path / "a.zarr"), region=[left, 12, left + 6, 20])
        np.testing.assert_array_equal(part.fine[0], fine[0, :, 4:10])
