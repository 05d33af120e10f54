"""Rasters that cannot give a right answer."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import netCDF4
import numpy as np
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine

from tests.torture.forms.containers import write_vrt
from tests.torture.forms.geotiff import write_tif
from tests.torture.world import World

Rng = np.random.Generator
Spoil = Callable[[World, Path, Rng], str]


def _truncated(world: World, folder: Path, rng: Rng) -> str:
    path = write_tif(folder / "cut.tif", world)
    data = path.read_bytes()
    path.write_bytes(data[: int(rng.integers(1, len(data) - 40))])
    return str(path)


def _flipped(world: World, folder: Path, rng: Rng) -> str:
    path = write_tif(folder / "flipped.tif", world, compress="deflate")
    data = bytearray(path.read_bytes())
    for place in rng.integers(0, len(data), 12):
        data[place] ^= int(rng.integers(1, 256))
    path.write_bytes(bytes(data))
    return str(path)


def _bytes(content: bytes, name: str) -> Spoil:
    def spoil(world: World, folder: Path, rng: Rng) -> str:
        (folder / name).write_bytes(content)
        return str(folder / name)

    return spoil


def _fifo(world: World, folder: Path, rng: Rng) -> str:
    os.mkfifo(folder / "pipe.tif")
    return str(folder / "pipe.tif")


def _folder(world: World, folder: Path, rng: Rng) -> str:
    (folder / "folder.tif").mkdir()
    return str(folder / "folder.tif")


def _rotated(world: World, folder: Path, rng: Rng) -> str:
    turned = world.transform * Affine.rotation(float(rng.uniform(5, 60)))
    return str(write_tif(folder / "rotated.tif", world, transform=turned))


def _gcps(world: World, folder: Path, rng: Rng) -> str:
    path, (rows, cols) = folder / "gcps.tif", world.shape
    points = [
        GroundControlPoint(r, c, *(world.transform * (c, r)))
        for r, c in ((0, 0), (0, cols), (rows, 0), (rows, cols))
    ]
    warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
    with rasterio.open(path, "w", driver="GTiff", dtype="float32", count=1, width=cols, height=rows) as file:
        file.write(world.values[:1].astype(np.float32))
        file.gcps = (points, rasterio.crs.CRS.from_user_input(world.crs))
    return str(path)


def _no_place(world: World, folder: Path, rng: Rng) -> str:
    path, (rows, cols) = folder / "placeless.tif", world.shape
    with (
        warnings.catch_warnings(action="ignore"),
        rasterio.open(path, "w", driver="GTiff", dtype="float32", count=1, width=cols, height=rows) as file,
    ):
        file.write(world.values[:1].astype(np.float32))
    return str(path)


def _transform(*numbers: float) -> Spoil:
    def spoil(world: World, folder: Path, rng: Rng) -> str:
        return str(write_tif(folder / "place.tif", world, transform=Affine(*numbers)))

    return spoil


def _values(dtype: str, value: complex) -> Spoil:
    def spoil(world: World, folder: Path, rng: Rng) -> str:
        values = np.nan_to_num(world.values).astype(dtype)
        values[:, 0, 0] = value
        return str(write_tif(folder / f"{dtype}.tif", world, values, nodata=None))

    return spoil


def _all(value: float, nodata: float | None) -> Spoil:
    def spoil(world: World, folder: Path, rng: Rng) -> str:
        values = np.full(world.values.shape, value, np.float32)
        return str(write_tif(folder / "all.tif", world, values, nodata=nodata))

    return spoil


def _huge(rows: int, cols: int) -> Spoil:
    """A sparse file of a few hundred bytes."""

    def spoil(world: World, folder: Path, rng: Rng) -> str:
        path, step = folder / "huge.tif", min(360 / cols, 160 / rows)
        options = {"tiled": True, "sparse_ok": True, "bigtiff": "yes", "blockxsize": 4096, "blockysize": 4096}
        place = Affine(step, 0, -180, 0, -step, 80)
        with rasterio.open(
            path, "w", driver="GTiff", dtype="uint8", count=1, height=rows, width=cols, crs="EPSG:4326",
            transform=place, **options,
        ) as file:  # fmt: skip
            file.units = (world.units,)
        return str(path)

    return spoil


def _vrt(text: str) -> Spoil:
    def spoil(world: World, folder: Path, rng: Rng) -> str:
        path = folder / "odd.vrt"
        path.write_text(text.replace("HERE", str(path)), "utf-8")
        return str(path)

    return spoil


def _vrt_missing(world: World, folder: Path, rng: Rng) -> str:
    return str(write_vrt(folder / "over.vrt", world, "gone_away.tif", True))


def _vrt_itself(world: World, folder: Path, rng: Rng) -> str:
    return str(write_vrt(folder / "self.vrt", world, "self.vrt", True))


def _vrt_python(world: World, folder: Path, rng: Rng) -> str:
    """A VRT that would run Python: it must not, and here it leaves a trace if it does."""
    write_tif(folder / "under.tif", world)
    path = write_vrt(folder / "code.vrt", world, "under.tif", True)
    trace = folder / "ran"
    code = f"def f(i, o, *a, **k):\n open({str(trace)!r}, 'w').close()\n o[:] = i[0]"
    text = path.read_text("utf-8").replace(
        "<VRTRasterBand ",
        '<VRTRasterBand subClass="VRTDerivedRasterBand" ',
    )
    words = "<PixelFunctionLanguage>Python</PixelFunctionLanguage><PixelFunctionType>f</PixelFunctionType>"
    words += f"<PixelFunctionCode><![CDATA[{code}]]></PixelFunctionCode><SimpleSource>"
    path.write_text(text.replace("<SimpleSource>", words), "utf-8")
    return str(path)


def _curvilinear(world: World, folder: Path, rng: Rng) -> str:
    path, (rows, cols) = folder / "curved.nc", world.shape
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("y", rows)
        file.createDimension("x", cols)
        turned = np.add.outer(np.arange(rows) * 0.9, np.arange(cols) * 0.2)
        for name, units in (("lat", "degrees_north"), ("lon", "degrees_east")):
            axis = file.createVariable(name, "f8", ("y", "x"))
            axis[:] = turned if name == "lat" else turned.T[:rows, :cols] if rows == cols else turned * 0.3
            axis.units, axis.standard_name = units, {"lat": "latitude", "lon": "longitude"}[name]
        data = file.createVariable("tp", "f4", ("y", "x"))
        data[:], data.units, data.coordinates = np.nan_to_num(world.values[0]), world.units, "lat lon"
    return str(path)


def _odd_axis(kind: str) -> Spoil:
    def spoil(world: World, folder: Path, rng: Rng) -> str:
        path, (rows, cols) = folder / f"{kind}.nc", world.shape
        x = 1.0 + np.arange(cols) * 0.5
        y = 50.0 - np.arange(rows) * 0.5
        if kind == "uneven":
            x = x**1.5
        elif kind == "nan":
            x[1] = np.nan
        elif kind == "constant":
            x[:] = 4.0
        elif kind == "poles":
            y = 200.0 - np.arange(rows) * 20.0
        with netCDF4.Dataset(path, "w") as file:
            for name, values, units in (("lat", y, "degrees_north"), ("lon", x, "degrees_east")):
                file.createDimension(name, len(values))
                axis = file.createVariable(name, "f8", (name,))
                axis[:], axis.units = values, units
            data = file.createVariable("tp", "f4", ("lat", "lon"))
            data[:], data.units = np.nan_to_num(world.values[0]), world.units
        return str(path)

    return spoil


def _odd_time(kind: str) -> Spoil:
    """A time axis that means nothing, which is asked for a date."""

    def spoil(world: World, folder: Path, rng: Rng) -> str:
        path, (rows, cols) = folder / f"time_{kind}.nc", world.shape
        with netCDF4.Dataset(path, "w") as file:
            for name, size in (("time", 3), ("lat", rows), ("lon", cols)):
                file.createDimension(name, size)
            for name, values, units in (
                ("lat", 50.0 - np.arange(rows), "degrees_north"),
                ("lon", 1.0 + np.arange(cols), "degrees_east"),
            ):
                axis = file.createVariable(name, "f8", (name,))
                axis[:], axis.units = values, units
            time = file.createVariable("time", "f8", ("time",))
            time[:] = {"nan": [np.nan] * 3, "huge": [1e300] * 3, "same": [1.0] * 3}.get(kind, [0, 1, 2])
            time.units = {"words": "days since the flood", "unit": "fortnights since 1990-01-01"}.get(
                kind, "days since 2001-01-01"
            )
            time.calendar = {"calendar": "mayan"}.get(kind, "standard")
            data = file.createVariable("tp", "f4", ("time", "lat", "lon"))
            data[:], data.units = np.nan_to_num(np.repeat(world.values[:1], 3, 0)), world.units
        return str(path)

    return spoil


_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)
_VRT_SIZE = (
    '<VRTDataset rasterXSize="{}" rasterYSize="{}"><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'
)
_BOMB_VRT = "<VRTDataset rasterXSize='9' rasterYSize='9'>" + "<a>" * 3000 + "</a>" * 3000 + "</VRTDataset>"
_ODD_TIMES = ("nan", "huge", "same", "words", "unit", "calendar")
# (what, how, whether a right answer is as good as a refusal)
SPOILT: tuple[tuple[str, Spoil, bool], ...] = (
    ("cut off", _truncated, True),
    ("with flipped bits", _flipped, True),
    ("empty", _bytes(b"", "empty.tif"), False),
    ("of text", _bytes(b"no raster at all\n" * 40, "text.tif"), False),
    ("of noise", _bytes(bytes(range(256)) * 8, "noise.tif"), False),
    ("a tiny PNG", _bytes(_PNG, "picture.png"), False),
    ("NetCDF cut off", _bytes(b"CDF\x01\x00\x00\x00\x01", "cut.nc"), False),
    ("HDF5 cut off", _bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 40, "cut.h5"), False),
    ("GRIB cut off", _bytes(b"GRIB\x00\x00\x00\x02" + b"\0" * 60, "cut.grb"), False),
    ("a zip of nothing", _bytes(b"PK\x05\x06" + b"\0" * 18, "nothing.zip"), False),
    ("a pipe", _fifo, False),
    ("a folder", _folder, False),
    ("a null device", lambda w, f, r: "/dev/null", False),
    ("an endless device", lambda w, f, r: "/dev/zero", False),
    ("random for ever", lambda w, f, r: "/dev/urandom", False),
    ("standard input", lambda w, f, r: "/vsistdin/", False),
    ("not there", lambda w, f, r: str(f / "gone.tif"), False),
    ("an empty name", lambda w, f, r: "", False),
    ("a blank name", lambda w, f, r: "  ", False),
    ("a name of 5000 letters", lambda w, f, r: str(f / ("x" * 5000)), False),
    ("a name with a NUL", lambda w, f, r: str(f / "a\0b.tif"), False),
    ("a lone surrogate in the name", lambda w, f, r: str(f / "a\udc80b.tif"), False),
    ("a NetCDF variable that is not there", lambda w, f, r: f'NETCDF:"{f}/gone.nc":tp', False),
    ("an unknown scheme", lambda w, f, r: "foo://bar/baz.tif", False),
    ("rotated", _rotated, False),
    ("with GCPs", _gcps, False),
    ("without place and CRS", _no_place, False),
    ("cells of no size", _transform(0.0, 0.0, 10.0, 0.0, 0.0, 50.0), False),
    ("cells of NaN", _transform(float("nan"), 0.0, 10.0, 0.0, -1.0, 50.0), False),
    ("cells of infinity", _transform(float("inf"), 0.0, 10.0, 0.0, -1.0, 50.0), False),
    ("cells of 1e-320", _transform(1e-320, 0.0, 10.0, 0.0, -1e-320, 50.0), False),
    ("beyond every pole", _transform(1.0, 0.0, 10.0, 0.0, -1.0, 1e9), True),
    ("complex", _values("complex64", 1 + 2j), False),
    ("complex of doubles", _values("complex128", 1 + 2j), False),
    ("with infinity", _values("float32", float("inf")), True),
    ("with doubles too large", _values("float64", 1e300), True),
    ("with the largest float", _values("float32", 3.4e38), True),
    ("all missing", _all(-9999, -9999), True),
    ("all NaN", _all(float("nan"), float("nan")), True),
    ("all infinite", _all(float("inf"), None), False),
    ("all of the largest float", _all(3.4028e38, None), True),
    ("all zero", _all(0, None), True),
    ("all of one value", _all(3.25, None), True),
    ("huge and square", _huge(400_000, 400_000), False),
    ("huge and wide", _huge(2, 2_000_000_000), False),
    ("huge and tall", _huge(500_000_000, 2), False),
    ("a VRT without a source", _vrt_missing, False),
    ("a VRT of itself", _vrt_itself, False),
    ("a VRT with Python", _vrt_python, True),
    ("a VRT of rubbish", _vrt("<VRTDataset"), False),
    ("a VRT without bands", _vrt('<VRTDataset rasterXSize="5" rasterYSize="5"></VRTDataset>'), False),
    ("a VRT too large", _vrt(_VRT_SIZE.format(2147483647, 2147483647)), False),
    ("a VRT of negative size", _vrt(_VRT_SIZE.format(-5, 5)), False),
    ("a VRT nested deep", _vrt(_BOMB_VRT), False),
    ("curvilinear", _curvilinear, False),
    *((f"with a {kind} axis", _odd_axis(kind), False) for kind in ("uneven", "nan", "constant", "poles")),
    *((f"with time of {kind}", _odd_time(kind), True) for kind in _ODD_TIMES),
)  # fmt: skip
