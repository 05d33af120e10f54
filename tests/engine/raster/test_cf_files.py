"""NetCDF, HDF5 and Zarr as their CF metadata say: axes in any order, grid mappings, fills, scales."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr
from pyproj import CRS, Transformer
from rasterio.enums import Resampling

from engine.dates import When
from engine.errors import InputError
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef

LAT, LON = 50 - np.arange(6.0), 5 + np.arange(8.0)
FIELD = np.arange(48.0).reshape(6, 8)


def write(path: Path, values: Any, dims: tuple[str, ...], axes: dict[str, Any], **attributes: Any) -> Path:
    """Write one variable "v" with axes of (values, attributes) each, as the numbers are given."""
    values = np.asarray(values)
    with netCDF4.Dataset(path, "w") as file:
        for name, size in zip(dims, values.shape, strict=True):
            file.createDimension(name, size)
        for name, (numbers, described) in axes.items():
            held = np.asarray(numbers)
            own = described.pop("dims", (name,) if held.ndim else ())
            axis = file.createVariable(name, held.dtype, own)
            axis[...] = held
            axis.setncatts(described)
        fill = attributes.pop("_FillValue", None)
        held = file.createVariable("v", values.dtype, dims, fill_value=fill)
        held.set_auto_maskandscale(False)
        held.setncatts(attributes)
        held[:] = values
    return path


def degrees(lat: Any = LAT, lon: Any = LON) -> dict[str, Any]:
    """Return the axes of a grid in degrees."""
    return {"lat": (lat, {"units": "degrees_north"}), "lon": (lon, {"units": "degrees_east"})}


def field(path: Path, band: int = 1, name: str = "", **told: Any) -> np.ndarray:
    """Read a band on its own grid, north up."""
    raster = Raster(RasterRef(f"{path}{name}", **told), "x")
    values = raster.read(raster.geobox, [band], Resampling.nearest)[0]
    raster.close()
    return values


@pytest.mark.parametrize("order", [("lat", "lon"), ("lon", "lat")])
@pytest.mark.parametrize("south_up", [False, True])
def test_axes_in_any_order_and_direction_are_one_field(
    order: tuple[str, str], south_up: bool, tmp_path: Path
) -> None:
    values, lat = (FIELD[::-1], LAT[::-1]) if south_up else (FIELD, LAT)
    values = values if order[0] == "lat" else values.T
    path = write(tmp_path / "x.nc", values, order, degrees(lat))
    raster = Raster(RasterRef(str(path)), "x")
    assert raster.geobox.boundingbox == (4.5, 44.5, 12.5, 50.5) and raster.crs.to_epsg() == 4326
    assert "EPSG:4326" in raster.notes[0]
    np.testing.assert_array_equal(field(path), FIELD)


@pytest.mark.parametrize(
    ("lon", "left"),
    [
        (np.array([356, 357, 358, 359, 0, 1, 2, 3.0]), -4.5),  # across Greenwich
        (np.array([176, 177, 178, 179, -180, -179, -178, -177.0]), 175.5),  # across the date line
        (np.arange(200.0, 208), -160.5),
    ],
)
def test_longitudes_across_a_seam_are_in_a_row(lon: np.ndarray, left: float, tmp_path: Path) -> None:
    path = write(tmp_path / "x.nc", FIELD, ("lat", "lon"), degrees(lon=lon))
    raster = Raster(RasterRef(str(path)), "x")
    assert raster.geobox.boundingbox.left == pytest.approx(left, abs=1e-9)
    np.testing.assert_array_equal(field(path), FIELD)


def test_a_rotated_pole_puts_each_cell_at_its_place(tmp_path: Path) -> None:
    mapping = {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
    }
    rlon, rlat = -2 + 0.44 * np.arange(8), -1 + 0.44 * np.arange(6)
    axes = {
        "rlon": (rlon, {"standard_name": "grid_longitude", "units": "degrees"}),
        "rlat": (rlat, {"standard_name": "grid_latitude", "units": "degrees"}),
        "rotated": (np.int32(0), mapping),
    }
    values = np.zeros((6, 8))
    values[4, 6] = 100
    path = write(tmp_path / "x.nc", values, ("rlat", "rlon"), axes, grid_mapping="rotated")
    raster = Raster(RasterRef(str(path), crs="EPSG:4326"), "x")  # what the file says comes first
    rows, columns = np.nonzero(field(path, crs="EPSG:4326") == 100)
    x, y = raster.geobox.affine * (columns[0] + 0.5, rows[0] + 0.5)
    assert (x, y) == pytest.approx((rlon[6], rlat[4]))
    to_degrees = Transformer.from_crs(CRS.from_wkt(raster.crs.to_wkt()), 4326, always_xy=True)
    assert to_degrees.transform(x, y) == pytest.approx(
        Transformer.from_crs(CRS.from_cf(mapping), 4326, always_xy=True).transform(x, y)
    )


def test_a_projected_mapping_in_kilometres(tmp_path: Path) -> None:
    axes = {
        "x": (4000 + 10 * np.arange(8.0), {"standard_name": "projection_x_coordinate", "units": "km"}),
        "y": (3000 - 10 * np.arange(6.0), {"standard_name": "projection_y_coordinate", "units": "km"}),
        "crs": (np.int32(0), CRS.from_epsg(3035).to_cf()),
    }
    path = write(tmp_path / "x.nc", FIELD, ("y", "x"), axes, grid_mapping="crs")
    raster = Raster(RasterRef(str(path)), "x")
    assert raster.crs.to_epsg() == 3035
    assert raster.geobox.boundingbox == (3995e3, 2945e3, 4075e3, 3005e3)


@pytest.mark.parametrize(
    ("axes", "dims", "words"),
    [
        (
            {
                "lat": (np.tile(LAT[:, None], 8), {"units": "degrees_north", "dims": ("y", "x")}),
                "lon": (np.tile(LON, (6, 1)), {"units": "degrees_east", "dims": ("y", "x")}),
            },
            ("y", "x"),
            "curvilinear grid",
        ),
        (degrees(lat=np.array([50, 49, 47, 46, 44, 40.0])), ("lat", "lon"), "not evenly spaced"),
        (
            {
                "rlon": (LON, {"standard_name": "grid_longitude", "units": "degrees"}),
                "rlat": (LAT, {"standard_name": "grid_latitude", "units": "degrees"}),
            },
            ("rlat", "rlon"),
            "rotated pole",
        ),
        ({}, ("a", "b"), "no axes that say where its cells lie"),
    ],
)
def test_other_grids_are_refused_by_their_names(
    axes: dict[str, Any], dims: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "x.nc", FIELD, dims, axes, coordinates="lon lat")
    with pytest.raises(InputError, match=words):
        Raster(RasterRef(str(path)), "x")


def test_every_number_that_is_called_missing_is(tmp_path: Path) -> None:
    values = FIELD.astype("f4").copy()
    values[0], values[1], values[2, 0] = -9999, -32768, -3.4028235e38
    path = write(
        tmp_path / "x.nc",
        values,
        ("lat", "lon"),
        degrees(),
        _FillValue=np.float32(-9999),
        missing_value=np.float32(-32768),
    )
    expected = np.where(values < -9000, np.nan, values)
    np.testing.assert_array_equal(field(path), expected)


@pytest.mark.parametrize("way", ["nc", "zarr"])
def test_a_scale_that_is_told_again_counts_once(way: str, tmp_path: Path) -> None:
    data = xr.Dataset({"v": (("lat", "lon"), FIELD)}, {"lat": LAT, "lon": LON})
    data.lat.attrs["units"], data.lon.attrs["units"] = "degrees_north", "degrees_east"
    packing = {"v": {"dtype": "int16", "scale_factor": 0.01, "add_offset": 20.0, "_FillValue": -9999}}
    path = tmp_path / f"x.{way}"
    data.to_netcdf(path, encoding=packing) if way == "nc" else data.to_zarr(path, encoding=packing)
    for told in ({}, {"scale": 0.01}, {"nodata": -9999.0}):
        np.testing.assert_allclose(field(path, **told), FIELD, atol=0.006)


def test_a_scale_of_modis_divides(tmp_path: Path) -> None:
    values = (FIELD * 200).astype("i2")
    path = write(tmp_path / "x.nc", values, ("lat", "lon"), degrees(), scale_factor=10000.0)
    raster = Raster(RasterRef(str(path)), "x")
    assert "divided" in raster.notes[-1]
    np.testing.assert_allclose(field(path), FIELD * 0.02, rtol=1e-5)


def test_fractions_with_a_scale_are_doubted(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.nc", (FIELD + 0.3).astype("f4"), ("lat", "lon"), degrees(), scale_factor=0.0001
    )
    raster = Raster(RasterRef(str(path)), "ndvi")
    assert "give the scale 1" in raster.doubts[0]
    np.testing.assert_allclose(field(path), (FIELD + 0.3) * 1e-4, rtol=1e-5)
    np.testing.assert_allclose(field(path, scale=1.0), FIELD + 0.3, rtol=1e-6)


def test_a_variable_is_chosen_by_its_name(tmp_path: Path) -> None:
    data = xr.Dataset(
        {"tas": (("lat", "lon"), FIELD), "pr": (("lat", "lon"), FIELD * 2)}, {"lat": LAT, "lon": LON}
    )
    for name in ("tas", "pr"):
        data[name].attrs["units"] = "K" if name == "tas" else "mm"
    data.to_netcdf(tmp_path / "x.nc", group="Grid")
    with pytest.raises(InputError, match=r"choose one, as x.nc:Grid/tas \(it has Grid/tas \[K\], Grid/pr"):
        Raster(RasterRef(str(tmp_path / "x.nc")), "x")
    for name in (":Grid/pr", ":pr"):
        np.testing.assert_array_equal(field(tmp_path / "x.nc", name=name), FIELD * 2)
    with pytest.raises(InputError, match=r"has no variable tos \(it has Grid/tas"):
        Raster(RasterRef(f"{tmp_path / 'x.nc'}:tos"), "x")


def monthly(tmp_path: Path, bounds: bool) -> Path:
    """Write two monthly means that are stamped at their ends."""
    axes = degrees()
    described = {"units": "days since 2001-01-01", "calendar": "noleap", "standard_name": "time"}
    axes["time"] = (np.array([31.0, 59.0]), described | ({"bounds": "tb"} if bounds else {}))
    with_bounds = {"tb": (np.array([[0, 31], [31, 59.0]]), {"dims": ("time", "two")})} if bounds else {}
    values = np.stack([FIELD, FIELD + 1])
    path = tmp_path / "x.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("two", 2)
        for name, size in zip(("time", "lat", "lon"), values.shape, strict=True):
            file.createDimension(name, size)
        for name, (numbers, attributes) in {**axes, **with_bounds}.items():
            axis = file.createVariable(name, "f8", attributes.pop("dims", (name,)))
            axis[:] = numbers
            axis.setncatts(attributes)
        file.createVariable("v", "f4", ("time", "lat", "lon"))[:] = values
    return path


def test_bounds_say_which_month_a_mean_is_of(tmp_path: Path) -> None:
    raster = Raster(RasterRef(str(monthly(tmp_path, True))), "x")
    assert [str(when) for when in raster.dates] == ["2001-01", "2001-02"] and raster.step == "month"


def test_versions_and_members_are_told_apart(tmp_path: Path) -> None:
    axes = degrees()
    axes["time"] = (np.array([0.0, 1.0]), {"units": "days since 2024-12-01", "standard_name": "time"})
    axes["expver"] = (np.array([1, 5]), {})
    values = np.stack([[FIELD, FIELD], [FIELD, FIELD + 7]])
    path = write(tmp_path / "x.nc", values, ("time", "expver", "lat", "lon"), axes)
    raster = Raster(RasterRef(str(path)), "x")
    assert [str(w) for w in raster.dates] == ["2024-12-01"] * 2 + ["2024-12-02"] * 2
    assert raster.further == [{"expver": "1"}, {"expver": "5"}] * 2
    np.testing.assert_array_equal(field(path, 4), FIELD + 7)
    assert When(2024, 12, 2).matches(raster.dates[3])


def test_one_member_and_versions_along_the_times_are_one_field_a_date(tmp_path: Path) -> None:
    """As the Climate Data Store writes ERA5: a scalar `number`, and `expver` as texts along the times."""
    axes = degrees()
    described = {"units": "seconds since 1970-01-01", "standard_name": "time"}
    axes["valid_time"] = (1732492800.0 + 86400 * np.arange(3), described)
    axes["number"] = (np.int64(0), {"standard_name": "realization"})
    values = np.stack([FIELD, FIELD + 1, FIELD + 2])
    coordinates = "number valid_time lat lon expver"
    dims = ("valid_time", "lat", "lon")
    path = write(tmp_path / "x.nc", values, dims, axes, coordinates=coordinates)
    with netCDF4.Dataset(path, "a") as file:
        file.createVariable("expver", str, ("valid_time",))[:] = np.array(["0001", "0001", "0005"], object)
    raster = Raster(RasterRef(str(path)), "x")
    assert [str(when) for when in raster.dates] == ["2024-11-25", "2024-11-26", "2024-11-27"]
    np.testing.assert_array_equal(field(path, 3), FIELD + 2)


@pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda b: b"CDF\x01" + bytes(60)])
def test_a_damaged_file_is_named(spoil: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = write(tmp_path / "x.nc", FIELD, ("lat", "lon"), degrees())
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InputError, match=r"x: .*x\.nc .*(damaged|several|no variable)"):
        raster = Raster(RasterRef(str(path)), "x")
        raster.read(raster.geobox, [1], Resampling.nearest)


def test_one_row_takes_its_size_from_the_other_axis_or_its_bounds(tmp_path: Path) -> None:
    path = write(tmp_path / "x.nc", FIELD[:1], ("lat", "lon"), degrees(lat=LAT[:1]))
    assert Raster(RasterRef(str(path)), "x").geobox.boundingbox == (4.5, 49.5, 12.5, 50.5)


def test_fields_in_groups_of_a_store_are_listed(tmp_path: Path) -> None:
    store = tmp_path / "groups.zarr"
    coordinates = {
        "lat": ("lat", [1.5, 0.5], {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", [4.5, 5.5], {"units": "degrees_east", "standard_name": "longitude"}),
    }
    for group, name in (("Grid", "rain"), ("Grid/Inner", "snow")):
        data = xr.Dataset({name: (("lat", "lon"), np.ones((2, 2)), {"units": "mm"})}, coordinates)
        data.to_zarr(store, group=group, mode="a", consolidated=False, zarr_format=2)
    with pytest.raises(InputError, match=r"Grid/rain \[mm\], Grid/Inner/snow \[mm\]"):
        Raster(RasterRef(str(store)), "target")
