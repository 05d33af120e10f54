"""Headers that declare much more than a file holds, or than can be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window

from engine.errors import Cancelled, InputError
from engine.pipeline.infer_target import value_range
from engine.raster.checks import declared_size
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from engine.raster.sampling import sample_windows


def sparse(path: Path, width: int, height: int, block: int = 512, cell: float = 1e-4) -> str:
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=height, width=width, dtype="float32", crs="EPSG:4326",
        transform=Affine(cell, 0, 4, 0, -cell, 52), tiled=True, blockxsize=block, blockysize=block,
        SPARSE_OK=True, COMPRESS="DEFLATE", BIGTIFF="YES",
    ):  # fmt: skip
        pass
    return str(path)


def test_blocks_that_cannot_be_held_are_refused_with_the_command(tmp_path: Path) -> None:
    path = sparse(tmp_path / "b.tif", 20_000, 20_000, 16_384)
    with pytest.raises(InputError, match=r"blocks of 16384 × 16384 cells, 1.1 GB each.*-co TILED=YES"):
        Raster(RasterRef(path), "target")


def test_a_file_that_holds_almost_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declared_size, "_SMALL", 2**24)
    path = sparse(tmp_path / "e.tif", 8000, 8000, 4096)
    with pytest.raises(InputError, match=r"declares 256 MB of cells in a file of .*almost none of them"):
        Raster(RasterRef(path), "elevation")


def test_a_virtual_raster_of_nothing_and_an_empty_netcdf_are_refused(tmp_path: Path) -> None:
    virtual = tmp_path / "v.vrt"
    virtual.write_text(
        '<VRTDataset rasterXSize="40000" rasterYSize="40000"><SRS>EPSG:4326</SRS>'
        "<GeoTransform>4, 1e-4, 0, 52, 0, -1e-4</GeoTransform>"
        '<VRTRasterBand dataType="Float32" band="1"/></VRTDataset>',
        encoding="utf-8",
    )
    with pytest.raises(InputError, match=r"declares 6.4 GB of cells in a file of \d+ bytes"):
        Raster(RasterRef(str(virtual)), "elevation")
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "n.nc"
    with h5py.File(path, "w") as file:
        small = {"compression": "gzip", "shuffle": True}  # or the axes alone would be a body
        rows = file.create_dataset("lat", data=50 - np.arange(20_000) / 2048, **small)
        columns = file.create_dataset("lon", data=np.arange(80_000) / 2048, **small)
        rows.make_scale("lat"), columns.make_scale("lon")
        rows.attrs["units"], columns.attrs["units"] = "degrees_north", "degrees_east"
        field = file.create_dataset("tas", (20_000, 80_000), "f4", chunks=(500, 500))
        field.dims[0].attach_scale(rows), field.dims[1].attach_scale(columns)
    with pytest.raises(InputError, match=r"declares 6.4 GB of cells"):
        Raster(RasterRef(str(path)), "elevation")


@pytest.mark.parametrize("block", [(512, 512), (1, 100_000), (100_000, 1), (4096, 4096)])
def test_a_sample_is_bounded_and_spread(block: tuple[int, int]) -> None:
    windows = sample_windows(100_000, 100_000, block, 2**22)
    cells = sum(w.width * w.height for w in windows)
    assert 2**20 < cells <= 2**24
    rows = [w.row_off for w in windows]
    columns = [w.col_off for w in windows]
    assert max(rows) + windows[-1].height > 50_000 or max(columns) + windows[-1].width > 50_000
    assert all(w.col_off + w.width <= 100_000 and w.row_off + w.height <= 100_000 for w in windows)


def test_a_sample_of_a_small_raster_is_the_whole() -> None:
    seen = np.zeros((70, 90), int)
    for w in sample_windows(70, 90, (32, 32)):
        seen[w.row_off : w.row_off + w.height, w.col_off : w.col_off + w.width] += 1
    assert (seen == 1).all()


def test_the_range_of_a_wide_raster_is_found_by_few_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sparse(tmp_path / "w.tif", 1_000_000, 600, cell=1e-5)
    raster = Raster(RasterRef(path), "target")
    read: list[int] = []
    original = Raster.values

    def counted(self: Raster, bands: list[int], window: Window, *more: object) -> np.ndarray:
        read.append(int(window.width * window.height))
        return original(self, bands, window, *more)

    monkeypatch.setattr(Raster, "values", counted)
    values = value_range(raster)
    assert (values.low, values.high) == (0.0, 0.0)
    assert sum(read) <= 2**24 and max(read) <= 2**20


def test_a_read_can_be_stopped_between_its_pieces(tmp_path: Path) -> None:
    raster = Raster(RasterRef(sparse(tmp_path / "s.tif", 6000, 6000)), "target")
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise Cancelled("The run was cancelled.")

    raster.check = stop
    with pytest.raises(Cancelled):
        raster.values([1], Window(0, 0, 6000, 6000))
    assert calls == 3


def test_pieces_make_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(60 * 70, dtype=np.float32).reshape(60, 70)
    path = tmp_path / "v.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=60, width=70, dtype="float32", crs="EPSG:4326",
        transform=Affine(1, 0, 4, 0, -1, 52),
    ) as file:  # fmt: skip
        file.write(values[None])
    raster = Raster(RasterRef(str(path)), "target")
    monkeypatch.setattr("engine.raster.reader._PIECE", 500)
    np.testing.assert_array_equal(raster.values([1], Window(3, 5, 40, 50))[0], values[5:55, 3:43])
    thin = raster.values([1], Window(0, 0, 70, 60), 2)[0]
    np.testing.assert_allclose(thin, values.reshape(30, 2, 35, 2).mean((1, 3)))
