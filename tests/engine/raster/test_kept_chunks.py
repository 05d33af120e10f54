"""Large chunks of NetCDF and Zarr are unpacked once, not for every piece of a read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.windows import Window

from engine.errors import Cancelled
from engine.raster import gdal_file
from engine.raster.cf import cf_file, kept_chunks
from engine.raster.cf.kept_chunks import KEPT, KeptChunks
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef

ROWS, COLUMNS, STEPS = 700, 900, 3
CHUNK = (2, 400, 500)  # 1.6 MB of float32; the last ones of each dimension are cut off by the array's end
CHUNKS = 2 * 2 * 2


@pytest.fixture(params=["x.nc", "x.zarr"])
def packed(request: Any, tmp_path: Path) -> tuple[Path, np.ndarray]:
    values = np.random.default_rng(1).normal(280, 5, (STEPS, ROWS, COLUMNS)).astype(np.float32)
    axes = {
        "time": ("time", np.arange(STEPS), {"units": "days since 2001-01-01"}),
        "lat": ("lat", 50 - 0.01 * np.arange(ROWS), {"units": "degrees_north"}),
        "lon": ("lon", 5 + 0.01 * np.arange(COLUMNS), {"units": "degrees_east"}),
    }
    data = xr.Dataset({"t": (("time", "lat", "lon"), values, {"units": "K"})}, axes)
    path = tmp_path / request.param
    if path.suffix == ".nc":
        data.to_netcdf(path, encoding={"t": {"chunksizes": CHUNK, "zlib": True, "complevel": 1}})
    else:
        data.to_zarr(path, encoding={"t": {"chunks": CHUNK}}, consolidated=False)
    return path, values


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Return the shapes of what was read of fields, one for each call of a library."""
    found: list[tuple[int, ...]] = []
    native = cf_file.CfFile._native

    def counted(self: cf_file.CfFile, part: Any) -> Any:
        values = native(self, part)
        found.append(values.shape)
        return values

    monkeypatch.setattr(cf_file.CfFile, "_native", counted)
    return found


def test_each_large_chunk_is_unpacked_once(
    packed: tuple[Path, np.ndarray], reads: list[tuple[int, ...]]
) -> None:
    path, values = packed
    raster = Raster(RasterRef(str(path)), "x")
    for top in range(0, ROWS, 70):
        part = raster.values([1, 2, 3], Window(13, top, 850, 70))
        np.testing.assert_array_equal(part, values[:, top : top + 70, 13:863])
    one = raster.values([3], Window(499, 399, 2, 2))
    np.testing.assert_array_equal(one, values[2:, 399:401, 499:501])
    assert len(reads) == CHUNKS
    assert sum(np.prod(shape) for shape in reads) == values.size
    raster.close()
    assert KEPT.bytes == 0


def test_a_field_in_small_chunks_is_read_as_it_is_asked_for(
    packed: tuple[Path, np.ndarray], reads: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cf_file, "LARGE", 2**30)
    path, values = packed
    raster = Raster(RasterRef(str(path)), "x")
    np.testing.assert_array_equal(raster.values([1], Window(0, 0, 8, 9)), values[:1, :9, :8])
    assert reads == [(1, 9, 8)]
    raster.close()


def test_a_run_may_stop_before_each_chunk(packed: tuple[Path, np.ndarray], reads: list[Any]) -> None:
    raster = Raster(RasterRef(str(packed[0])), "x", check=stop_after(3))
    with pytest.raises(Cancelled):
        raster.values([1], Window(0, 0, COLUMNS, ROWS))
    assert len(reads) == 2  # of four, after a look before the whole read
    raster.close()


def test_only_so_many_bytes_are_kept_and_room_is_made_before() -> None:
    kept = KeptChunks(most=100)
    held: list[int] = []

    def unpack() -> np.ndarray:
        held.append(kept.bytes)
        return np.zeros(40, np.uint8)

    for place in (0, 1, 0, 2, 0, 1):
        kept.get("file", (place,), 40, unpack)
    assert held == [0, 40, 40, 40]  # 2 took the place of 1, which had been used longest ago; then 1 that of 2
    kept.get("other", (0,), 40, unpack)
    kept.forget("file")
    assert kept.bytes == 40


def test_a_chunk_larger_than_the_bound_is_kept_alone() -> None:
    assert kept_chunks.MOST >= 2 * kept_chunks.LARGEST_BLOCK  # of what is read at all
    kept = KeptChunks(most=10)
    for place in (0, 1):
        assert kept.get("file", (place,), 40, lambda: np.full(40, 7, np.uint8))[0] == 7
    assert kept.bytes == 40


@pytest.mark.parametrize("name", ["x.nc", "x.tif"])
def test_a_run_may_stop_while_a_field_is_sampled(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number that only programs write for "no data" is compared to a sample of the field."""
    monkeypatch.setattr(cf_file, "CELLS", 10_000)
    monkeypatch.setattr(gdal_file, "CELLS", 10_000)
    values = np.full((200, 300), 7, np.float32)
    values[0, 0] = -9999
    write(tmp_path / name, values)
    raster = Raster(RasterRef(str(tmp_path / name)), "x")
    assert np.isnan(raster.values([1], Window(0, 0, 300, 1))[0, 0, 0])
    raster.close()
    raster = Raster(RasterRef(str(tmp_path / name)), "x", check=stop_after(3))  # one before the read itself
    with pytest.raises(Cancelled):
        raster.values([1], Window(0, 0, 300, 1))
    raster.close()


@pytest.mark.parametrize("name", ["x.nc", "x.tif"])
def test_a_run_may_stop_while_a_field_is_sampled_to_open_it(name: str, tmp_path: Path) -> None:
    """Fractions with a scale factor are suspicious already when the file is opened."""
    write(tmp_path / name, np.full((200, 300), 7.5, np.float32), 0.1)
    assert "scale factor 0.1" in Raster(RasterRef(str(tmp_path / name)), "x").doubts[0]
    with pytest.raises(Cancelled):
        Raster(RasterRef(str(tmp_path / name)), "x", check=stop_after(0))


def write(path: Path, values: np.ndarray, scale: float = 1.0) -> None:
    if path.suffix == ".tif":
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=1,
            dtype="float32",
            height=values.shape[0],
            width=values.shape[1],
            crs="EPSG:4326",
            transform=Affine(0.01, 0, 5, 0, -0.01, 50),
        ) as file:
            file.write(values, 1)
            file.scales = (scale,)
        return
    lat, lon = (
        50 - 0.01 * np.arange(values.shape[0]),
        5 + 0.01 * np.arange(values.shape[1]),
    )
    axes = {"lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"})}
    told = {"scale_factor": scale} if scale != 1 else {}
    how = {"_FillValue": None, "chunksizes": (50, 100)}
    xr.Dataset({"t": (("lat", "lon"), values, told)}, axes).to_netcdf(path, encoding={"t": how})


def stop_after(looks: int) -> Callable[[], None]:
    left = [looks]

    def look() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Cancelled("Stopped.")

    return look
