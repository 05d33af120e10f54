"""Cloud Optimized GeoTIFFs on servers, read by GDAL: windows alone, with logins, faults in a sentence."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.shutil import copy
from rasterio.windows import Window

from engine.errors import InputError
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef
from tests.engine.raster.cloud.conftest import Served

SIZE = 1024


def opened(name: str) -> Raster:
    return Raster(RasterRef.parse(name), "elevation")


def refused(name: str) -> str:
    with pytest.raises(InputError) as caught:
        opened(name).values([1], Window(900, 900, 100, 100))
    assert caught.value.__cause__ is None or "t0k3n" not in name
    return str(caught.value)


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(1).gamma(1.0, 400, (SIZE, SIZE)).astype(np.float32)


@pytest.fixture(scope="module")
def dem(values: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dem") / "dem.tif"
    write_cog(path, values)
    return path


def write_cog(path: Path, values: np.ndarray) -> None:
    plain = path.with_name("plain.tif")
    profile = {"width": SIZE, "height": SIZE, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
    place = Affine(0.01, 0, 10, 0, -0.01, 40)
    with rasterio.open(plain, "w", driver="GTiff", transform=place, **profile) as file:
        file.write(values, 1)
        file.units = ("m",)
    copy(plain, path, driver="COG", compress="deflate", level=1, blocksize=256)


@pytest.fixture()
def ground(served: Served, dem: Path) -> Served:
    (served.folder / "dem.tif").write_bytes(dem.read_bytes())
    return served


@pytest.mark.parametrize("prefix", ["", "/vsicurl/"])
def test_a_window_fetches_its_blocks_alone(ground: Served, values: np.ndarray, prefix: str) -> None:
    raster = opened(f"{prefix}{ground.url('dem.tif')}")
    size = (ground.folder / "dem.tif").stat().st_size
    assert (raster.units, raster.width) == ("m", SIZE) and raster.elsewhere
    assert ground.given < size / 10  # its head, and a thinned look
    ground.forget()
    cells = raster.values([1], Window(300, 300, 150, 150))
    np.testing.assert_array_equal(cells[0], values[300:450, 300:450])
    assert 0 < ground.given < size / 10
    raster.close()


@pytest.mark.parametrize("head", [True, False])
def test_login_and_signed_query(ground: Served, head: bool) -> None:
    ground.user, ground.token, ground.head = "anna:pa55w0rd", "t0k3n", head
    name = ground.url("dem.tif", "anna:pa55w0rd", "token=t0k3n")
    raster = opened(name)
    assert np.isfinite(raster.values([1], Window(0, 0, 10, 10))).all()
    assert raster.ref.path == ground.url("dem.tif", query="…")
    assert not any("t0k3n" in each or "pa55" in each for each in raster.files)
    raster.close()
    sentence = refused(ground.url("dem.tif", "anna:pa55w0rd", "token=t0k3nold"))
    assert sentence.startswith(f"elevation: {ground.url('dem.tif', query='…')}") and "server" in sentence
    assert "t0k3n" not in sentence


def test_a_file_that_changed_between_two_runs_of_a_process(ground: Served) -> None:
    def first() -> float:
        raster = opened(ground.url("dem.tif"))
        try:
            return float(raster.values([1], Window(0, 0, 1, 1))[0, 0, 0])
        finally:
            raster.close()

    before = first()
    write_cog(ground.folder / "dem.tif", np.full((SIZE, SIZE), 7, np.float32))
    assert before != 7 and first() == 7


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": {"dem.tif": 404}}, "its server does not give it"),
        ({"status": {"dem.tif": 403}}, "its server does not give it"),
    ],
)
def test_faults(ground: Served, change: dict, words: str, capfd: pytest.CaptureFixture) -> None:
    for name, value in change.items():
        setattr(ground, name, value)
    sentence = refused(ground.url("dem.tif", "anna:pa55w0rd", "token=t0k3n"))
    assert words in sentence and "download" in sentence
    assert "t0k3n" not in sentence and "pa55" not in sentence
    out, err = capfd.readouterr()
    assert "t0k3n" not in out + err and "pa55" not in out + err


def test_a_connection_that_breaks_off_gives_the_same_cells_or_a_sentence(
    ground: Served, values: np.ndarray
) -> None:
    raster = opened(ground.url("dem.tif", "anna:pa55w0rd", "token=t0k3n"))
    ground.cut = "dem.tif"
    for row in range(0, SIZE - 150, 300):
        try:
            cells = raster.values([1], Window(300, row, 150, 150))
        except InputError as error:
            assert "download" in str(error) and "t0k3n" not in str(error)
            continue
        np.testing.assert_array_equal(cells[0], values[row : row + 150, 300:450])
    raster.close()


def test_a_server_that_ignores_ranges_gives_the_same_cells_or_a_sentence(
    ground: Served, values: np.ndarray
) -> None:
    ground.ranges = False
    try:
        raster = opened(ground.url("dem.tif"))
        cells = raster.values([1], Window(300, 300, 150, 150))
    except InputError as error:
        assert "download" in str(error)
        return
    np.testing.assert_array_equal(cells[0], values[300:450, 300:450])
    raster.close()


def test_no_log_tells_an_address_in_full(ground: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ground.status = {"dem.tif": 500}
    refused(ground.url("dem.tif", "anna:pa55w0rd", "token=t0k3n"))
    assert "t0k3n" not in caplog.text and "pa55w0rd" not in caplog.text


def test_a_netcdf_on_a_server_is_refused_with_what_to_do(served: Served, tmp_path: Path) -> None:
    from tests.engine.raster.cloud.fields import write_netcdf

    write_netcdf(served.folder / "rain.nc")
    sentence = refused(served.url("rain.nc", query="token=t0k3n"))
    assert "t0k3n" not in sentence and "download it first" in sentence
    sentence = refused(served.url("rain.nc:tp", query="token=t0k3n"))
    assert "t0k3n" not in sentence
    assert "no variable of a NetCDF or HDF5 file is read on a server: download it first" in sentence
