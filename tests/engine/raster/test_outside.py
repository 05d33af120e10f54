"""No file or store leads the reader out of itself, to what the user has not named."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import zipfile
from pathlib import Path
from typing import Literal

import netCDF4
import numpy as np
import pytest
from rasterio.windows import Window

from engine.errors import InputError
from engine.raster.hdf5.outside import check_within
from engine.raster.opening import open_raster
from engine.raster.reference import RasterRef
from tests.engine.raster.hdf5_outside import FILES, hdf5_bytes

_AXES = (("lat", [40.0, 39.0], "degrees_north"), ("lon", [10.0, 11.0], "degrees_east"))

_SOURCE = (
    "<VRTDataset rasterXSize='2' rasterYSize='2'><SRS>EPSG:4326</SRS><GeoTransform>10, 1, 0, 40, 0, -1"
    "</GeoTransform><VRTRasterBand dataType='Float32' band='1'><SimpleSource><SourceFilename "
    "relativeToVRT='{}'>{}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
)


def read(name: str | Path) -> list[list[float]]:
    file = open_raster(RasterRef(str(name)), "target")
    try:
        return file.read([1], Window(0, 0, 2, 2))[0].tolist()
    finally:
        file.close()


def netcdf(path: Path, value: float = 7.0) -> Path:
    with netCDF4.Dataset(path, "w") as file:
        for name, places, units in _AXES:
            file.createDimension(name, 2)
            axis = file.createVariable(name, "f8", (name,))
            axis[:], axis.units = places, units
        field = file.createVariable("tas", "f4", ("lat", "lon"))
        field[:], field.units = value, "mm"
    return path


def store(path: Path, version: Literal[2, 3] = 2) -> Path:
    import xarray

    axes = {name: (name, places, {"units": units}) for name, places, units in _AXES}
    field = (("lat", "lon"), np.full((2, 2), 7, np.float32), {"units": "mm"})
    data = xarray.Dataset({"tas": field}, axes)
    data.to_zarr(path, mode="w", zarr_format=version, consolidated=version == 2)
    return path


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("way", ["{}", "{}:tas", 'HDF5:"{}"://tas', 'NETCDF:"{}":tas', "tif", "vrt"])
def test_an_hdf5_file_that_points_to_others_is_refused_by_what_it_names(
    tmp_path: Path, kind: str, way: str
) -> None:
    netcdf(tmp_path / "other.h5")
    (tmp_path / "other.bin").write_bytes(bytes(16))
    path = tmp_path / ("a.tif" if way == "tif" else "a.nc")
    path.write_bytes(hdf5_bytes(kind))
    name = str(path) if way == "tif" else way.format(path)
    if way == "vrt":
        name = str(tmp_path / "a.vrt")
        Path(name).write_text(_SOURCE.format(1, "a.nc"))
    target = "a link of a kind of its own, tas" if "user-defined" in kind else r"other\.(h5|bin)"
    with pytest.raises(
        InputError, match=rf"^target: .*a\.(nc|tif).* from outside itself \(.*{target}\)"
    ) as no:
        read(name)
    assert str(no.value).count(". ") == 0


@pytest.mark.parametrize("way", ["name", "part", "vrt", "vrt of a vrt inside"])
def test_an_hdf5_file_in_an_archive_is_refused(tmp_path: Path, way: str) -> None:
    inside = f"/vsizip/{tmp_path / 'a.zip'}"
    part = f'HDF5:"{inside}/a.h5"://tas'
    quoted = part.replace('"', "&quot;")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.h5", hdf5_bytes("external values, new"))
        archive.writestr("a.vrt", _SOURCE.format(0, quoted))
    vrt = tmp_path / "b.vrt"
    vrt.write_text(_SOURCE.format(0, quoted if way == "vrt" else f"{inside}/a.vrt"))
    with pytest.raises(InputError, match=r"^target: .*a\.h5.* lies in an archive or on a server"):
        read({"name": f"{inside}/a.h5", "part": part}.get(way, str(vrt)))


def test_a_vrt_in_one_folder_is_followed_to_the_working_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path)
    Path("a.h5").write_bytes(hdf5_bytes("external values, new"))
    Path("inner/a.vrt").write_text(_SOURCE.format(0, "HDF5:a.h5://tas"))
    with pytest.raises(InputError, match=r"a\.h5 takes values from outside itself"):
        read("inner/a.vrt")


def test_a_uri_of_a_local_file_is_that_file(tmp_path: Path) -> None:
    path = netcdf(tmp_path / "a.nc")
    for name in (f"file://{path}", f"file://{path}:tas"):
        assert read(name) == [[7, 7], [7, 7]]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are not listed here")
def test_a_closed_file_is_not_held_open(tmp_path: Path) -> None:
    path = netcdf(tmp_path / "a.nc")
    for name in (str(path), f"{path}:tas"):
        assert read(name) == [[7, 7], [7, 7]]
        assert str(path) not in [os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir()]


@pytest.mark.parametrize(
    "name",
    [
        *("{}/a.nc", "{}/a.nc#mode=bytes", "{}/dodsC/a.nc:tas", "[fillmismatch]{}/a.nc", "{}/a#mode=zarr,s3"),
        *("NETCDF:{}/a.nc:tas", 'NETCDF:"{}/a.nc":tas', 'ZARR:"/vsicurl/{}/a.zarr"', "reference://{}/a.json"),
        *("{}/a.zarr", "simplecache::{}/a.nc", "/vsicurl/{}/a.h5"),
    ],
)
def test_an_address_without_a_server_is_refused_for_that(name: str) -> None:
    with pytest.raises(
        InputError, match=r"its server (cannot be reached|does not give it): check the address"
    ):
        read(name.format("http://127.0.0.1:9"))  # nobody listens there


@pytest.mark.parametrize("fields", [1, 60, 700])
def test_an_hdf5_file_that_is_whole_is_read(tmp_path: Path, fields: int) -> None:
    path = netcdf(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        for number in range(fields):  # in a table of names, in one of many blocks
            file.createVariable(f"further_variable_{number}", "i2", ("lat",)).note = "x" * 300
            file.createGroup(f"group_{number % 30}/inner")
    check_within(path, "target")
    assert read(f"{path}:tas") == [[7, 7], [7, 7]]


def test_a_spoilt_hdf5_file_is_refused_by_name_whatever_byte_is_wrong(tmp_path: Path) -> None:
    whole, generator = hdf5_bytes("among many"), np.random.default_rng(0)
    path = tmp_path / "a.nc"
    for _ in range(600):
        spoilt = bytearray(whole[: generator.integers(8, len(whole))])
        for at in generator.integers(8, len(spoilt), 4):
            spoilt[at] = generator.integers(256)
        path.write_bytes(spoilt)
        try:
            check_within(path, "a.nc")
        except InputError as refusal:
            assert re.match(r"a\.nc (takes values from outside|cannot be read as a NetCDF)", str(refusal))


@pytest.mark.parametrize("version", [2, 3])
def test_a_store_whose_links_leave_it_is_refused(tmp_path: Path, version: Literal[2, 3]) -> None:
    pytest.importorskip("zarr", minversion="3" if version == 3 else "2")
    path = store(tmp_path / "a.zarr", version)
    os.symlink(path, tmp_path / "linked.zarr")
    assert read(tmp_path / "linked.zarr") == [[7, 7], [7, 7]]  # the user names it
    os.symlink("tas", path / "same")
    assert read(f"{path}:tas") == [[7, 7], [7, 7]]
    shutil.move(path / "tas", tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", path / "tas")
    (path / "same").unlink()
    with pytest.raises(InputError, match=r"outside itself \(tas is a link to .*elsewhere\)"):
        read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
def test_a_pipe_in_a_store_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr")
    chunk = next(p for p in (path / "tas").iterdir() if not p.name.startswith("."))
    chunk.unlink()
    os.mkfifo(chunk)
    with pytest.raises(InputError, match="a pipe or a device"):
        read(path)


class Planted:
    """What makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("key", ["filters", "compressor"])
@pytest.mark.parametrize("array", ["tas", "lat"])
def test_no_pickle_of_a_store_is_run(tmp_path: Path, key: str, array: str) -> None:
    path = store(tmp_path / "a.zarr")
    described = json.loads((path / array / ".zarray").read_text())
    described |= {"filters": None, "compressor": None}
    described[key] = {"id": "pickle"} if key == "compressor" else [{"id": "pickle"}]
    (path / array / ".zarray").write_text(json.dumps(described))
    (path / ".zmetadata").unlink(missing_ok=True)
    for chunk in (path / array).glob("0*"):
        chunk.write_bytes(pickle.dumps(Planted(tmp_path / "ran")))
    with pytest.raises(InputError, match="pickled Python objects"):
        read(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("odd", ["a::b", "http:/127.0.0.1:9", "a.nc#mode=zarr,s3", "simplecache::http:"])
def test_a_local_file_whose_name_looks_like_an_address_is_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(odd).mkdir(parents=True)
    netcdf(Path(odd) / "a.nc")
    store(Path("whole.zarr"))
    shutil.move("whole.zarr", Path(odd) / "b.zarr")
    for name in ("a.nc", "b.zarr"):
        assert read(f"{odd.replace(':/', '://')}/{name}") == [[7, 7], [7, 7]]
