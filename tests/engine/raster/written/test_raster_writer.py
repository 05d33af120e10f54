"""The written raster: what is in it, and that it appears whole or not at all."""

from __future__ import annotations

import errno
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from engine.errors import Cancelled, EngineError, InputError
from engine.files import partial_files
from engine.files.root import ROOT
from engine.raster.written.raster_writer import RasterWriter, disk_needed

TRANSFORM = Affine(0.25, 0, -10, 0, -0.25, 50)


def field(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    array = rng.gamma(1.0, 30.0, (height, width)).astype(np.float32)
    array[: height // 3, : width // 4] = np.nan
    return array


def write_in_windows(writer: RasterWriter, array: np.ndarray, step: int) -> None:
    for row in range(0, array.shape[0], step):
        for col in range(0, array.shape[1], step):
            writer.write(array[row : row + step, col : col + step], row, col)


def test_values_and_metadata_survive(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    array = field(1100, 1300)
    tags = {"MSR_MODEL": "tinyrain8", "MSR_INPUTS": {"target": "a.tif", "ä": 1}}
    with RasterWriter(
        path,
        1300,
        1100,
        TRANSFORM,
        "EPSG:4326",
        band_names=["rain"],
        tags=tags,
        units="mm/month",
        band_tags=[{"date": "2020-11"}],
    ) as writer:
        write_in_windows(writer, array, 333)
        writer.set_tags(MSR_RESIDUAL=0.5)
    with rasterio.open(path) as data:
        np.testing.assert_array_equal(data.read(1), array)
        assert data.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert data.overviews(1) == [2, 4]
        assert math.isnan(data.nodata)
        assert data.dtypes == ("float32",)
        assert data.transform == TRANSFORM and data.crs.to_epsg() == 4326
        assert data.units == ("mm/month",) and data.descriptions == ("rain",)
        assert data.tags(1)["date"] == "2020-11"
        assert data.tags()["MSR_MODEL"] == "tinyrain8"
        assert data.tags()["MSR_INPUTS"] == '{"target": "a.tif", "ä": 1}'
        assert data.tags()["MSR_RESIDUAL"] == "0.5"
        assert data.block_shapes == [(512, 512)]
    assert os.listdir(tmp_path) == ["out.tif"]


def test_overviews_average_the_valid_cells(tmp_path: Path) -> None:
    array = np.full((1024, 1024), 2.0, np.float32)
    array[::2, ::2] = 4.0
    array[1::2, 1::2] = np.nan
    with RasterWriter(tmp_path / "o.tif", 1024, 1024, TRANSFORM, "EPSG:4326") as writer:
        writer.write(array, 0, 0)
    with rasterio.open(tmp_path / "o.tif", overview_level=0) as data:
        np.testing.assert_allclose(data.read(1), (4.0 + 2.0 + 2.0) / 3, rtol=1e-6)


def test_nodata_stands_for_nan(tmp_path: Path) -> None:
    array = np.array([[1.0, np.nan], [3.0, 4.0]], np.float32)
    with RasterWriter(tmp_path / "o.tif", 2, 2, TRANSFORM, "EPSG:4326", nodata=-9999) as writer:
        writer.write(array, 0, 0)
    with rasterio.open(tmp_path / "o.tif") as data:
        assert data.nodata == -9999
        np.testing.assert_array_equal(data.read(1), [[1.0, -9999.0], [3.0, 4.0]])


@pytest.mark.parametrize("bands", [2, 12, 20])
def test_many_bands(tmp_path: Path, bands: int) -> None:
    array = np.arange(bands * 7 * 5, dtype=np.float32).reshape(bands, 7, 5)
    dates = [{"date": f"2020-{1 + b:02d}"} for b in range(bands)]
    with RasterWriter(tmp_path / "o.tif", 5, 7, TRANSFORM, None, bands=bands, band_tags=dates) as writer:
        writer.write(array[:, :4], 0, 0)
        for band in range(bands):
            writer.write(array[band, 4:], 4, 0, band=band + 1)
        with pytest.raises(ValueError, match="band's number"):
            writer.write(array[0], 0, 0)
    with rasterio.open(tmp_path / "o.tif") as data:
        np.testing.assert_array_equal(data.read(), array)
        assert [data.tags(b)["date"] for b in data.indexes] == [d["date"] for d in dates]


def test_one_cell(tmp_path: Path) -> None:
    with RasterWriter(tmp_path / "o.tif", 1, 1, TRANSFORM, "EPSG:3857") as writer:
        writer.write(np.array([[5.0]], np.float32), 0, 0)
    with rasterio.open(tmp_path / "o.tif") as data:
        assert data.read(1).tolist() == [[5.0]]


def test_cells_never_written_are_nodata(tmp_path: Path) -> None:
    with RasterWriter(tmp_path / "o.tif", 1200, 600, TRANSFORM, "EPSG:4326") as writer:
        writer.write(np.ones((10, 10), np.float32), 0, 0)
    with rasterio.open(tmp_path / "o.tif") as data:
        assert np.nansum(data.read(1)) == 100
        assert np.isnan(data.read(1)).sum() == 1200 * 600 - 100


def test_a_window_that_does_not_fit(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="does not fit"),
        RasterWriter(tmp_path / "o.tif", 10, 10, TRANSFORM, None) as writer,
    ):
        writer.write(np.ones((5, 5), np.float32), 6, 0)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [Cancelled("stopped"), MemoryError(), KeyboardInterrupt()])
def test_after_an_error_the_old_file_stays_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "o.tif"
    path.write_bytes(b"older")
    with pytest.raises(type(error)), RasterWriter(path, 600, 600, TRANSFORM, "EPSG:4326") as writer:
        writer.write(np.ones((600, 600), np.float32), 0, 0)
        assert any(name.endswith(".part.tif") for name in os.listdir(tmp_path))
        raise error
    assert path.read_bytes() == b"older"
    assert os.listdir(tmp_path) == ["o.tif"]


def test_a_failed_rename_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: object) -> None:
        raise PermissionError(errno.EACCES, "in use")

    monkeypatch.setattr("engine.files.partial_files.os.replace", refuse)
    with (
        pytest.raises(InputError, match="another program has it open"),
        RasterWriter(tmp_path / "o.tif", 4, 4, TRANSFORM, None) as writer,
    ):
        writer.write(np.ones((4, 4), np.float32), 0, 0)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("rasterio.shutil.copy", full)
    with (
        pytest.raises(EngineError, match="disk became full"),
        RasterWriter(tmp_path / "o.tif", 4, 4, TRANSFORM, None),
    ):
        pass
    assert os.listdir(tmp_path) == []


def test_refused_before_work_begins(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="does not exist"),
        RasterWriter(tmp_path / "absent" / "o.tif", 4, 4, TRANSFORM, None),
    ):
        pass
    (tmp_path / "folder.tif").mkdir()
    with (
        pytest.raises(InputError, match="is a folder"),
        RasterWriter(tmp_path / "folder.tif", 4, 4, TRANSFORM, None),
    ):
        pass
    with (
        pytest.raises(InputError, match=r"needs about .* TB in .* are free: make room"),
        RasterWriter(tmp_path / "o.tif", 10**8, 10**8, TRANSFORM, None),
    ):
        pass
    assert os.listdir(tmp_path) == ["folder.tif"]


def test_statistics_of_an_earlier_file_go(tmp_path: Path) -> None:
    (tmp_path / "o.tif.aux.xml").write_text("<PAMDataset/>")
    with RasterWriter(tmp_path / "o.tif", 4, 4, TRANSFORM, None) as writer:
        writer.write(np.ones((4, 4), np.float32), 0, 0)
    assert os.listdir(tmp_path) == ["o.tif"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "o.tif"
    script = (
        "import sys, os, numpy as np; from affine import Affine\n"
        "from engine.raster.written.raster_writer import RasterWriter\n"
        "w = RasterWriter(sys.argv[1], 600, 600, Affine.identity(), None).__enter__()\n"
        "w.write(np.ones((600, 600), np.float32), 0, 0); os.kill(os.getpid(), 9)"
    )
    root = ROOT
    child = subprocess.run([sys.executable, "-c", script, str(path)], cwd=root, check=False)
    assert child.returncode != 0
    left = os.listdir(tmp_path)
    assert len(left) == 1 and left[0].endswith(".part.tif")
    other = partial_files.partial_path(path)  # of a live process: stays
    other.write_bytes(b"mine")
    with RasterWriter(path, 4, 4, TRANSFORM, None) as writer:
        writer.write(np.ones((4, 4), np.float32), 0, 0)
    assert sorted(os.listdir(tmp_path)) == sorted(["o.tif", other.name])
    partial_files.discard(other)
    assert os.listdir(tmp_path) == ["o.tif"]


def test_nothing_is_finished_once_the_process_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_files, "_leaving", False)
    final = tmp_path / "o.tif"
    part = partial_files.partial_path(final)
    part.write_bytes(b"x")
    partial_files.discard_all()
    assert os.listdir(tmp_path) == []
    part.write_bytes(b"x")  # a thread that goes on writing
    with pytest.raises(Cancelled):
        partial_files.finish([(part, final)])
    assert not final.exists()
    partial_files.discard_all()  # the last thing before the process ends
    assert os.listdir(tmp_path) == []
    partial_files.discard(part)


def test_what_a_cancelled_job_finished_can_go(tmp_path: Path) -> None:
    for name in ("earlier.tif", "o.tif"):
        partial_files.begin_job()
        with RasterWriter(tmp_path / name, 4, 4, TRANSFORM, None) as writer:
            writer.write(np.ones((4, 4), np.float32), 0, 0)
    partial_files.discard_finished()
    assert os.listdir(tmp_path) == ["earlier.tif"]


@pytest.mark.parametrize(
    ("shape", "same"),
    [((600, 600), True), ((300, 1200), True), ((520, 520), False), ((3, 50_000), False), ((40, 60), False)],
)
def test_several_bands_have_the_blocks_of_the_file_to_come(
    tmp_path: Path, shape: tuple[int, int], same: bool
) -> None:
    """Overviews of several bands take four times as long from other blocks; padding is bounded."""
    height, width = shape
    values = np.arange(12 * height * width, dtype=np.float32).reshape(12, *shape)
    with RasterWriter(tmp_path / "many.tif", width, height, TRANSFORM, "EPSG:3035", bands=12) as writer:
        writer.write(values, 0, 0)
        blocks = set(writer._dataset.block_shapes)
        writer._dataset.close()
        assert writer._plain is not None
        size = writer._plain.stat().st_size
    assert size < values.nbytes * 2 + 2**16
    assert size + 7 * values.size <= disk_needed(width, height, 12)
    with rasterio.open(tmp_path / "many.tif") as file:
        np.testing.assert_array_equal(file.read(), values)
        assert (blocks == set(file.block_shapes)) == same


def test_long_names(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 120 + ".tif")
    with RasterWriter(path, 4, 4, TRANSFORM, None) as writer:
        writer.write(np.ones((4, 4), np.float32), 0, 0)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("shape", [(1, 300_000), (300_000, 1), (3, 50_000), (40, 60), (700, 30)])
def test_a_thin_raster_takes_no_more_disk_than_its_cells(tmp_path: Path, shape: tuple[int, int]) -> None:
    height, width = shape
    values = np.arange(height * width, dtype=np.float32).reshape(shape)
    path = tmp_path / "thin.tif"
    with RasterWriter(path, width, height, Affine(1, 0, 9, 0, -1, 9), "EPSG:3035") as writer:
        writer.write(values, 0, 0)
        writer._dataset.close()
        assert writer._plain is not None
        assert writer._plain.stat().st_size < values.nbytes * 1.5 + 4096
        assert writer._plain.stat().st_size < disk_needed(width, height)
    with rasterio.open(path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        np.testing.assert_array_equal(file.read(1), values)
        assert max(file.block_shapes[0]) <= 512
