"""Files as the world writes them, as they stand in a store: places, missing cells, scales, units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray
import yaml
from affine import Affine
from pyproj import CRS, Transformer

from training.preparation.prepare import prepare

RAIN = np.random.default_rng(0).gamma(2.0, 10.0, (12, 16)).round(2).astype(np.float32)
LAT, LON = 50.5 - np.arange(12.0), 5.5 + np.arange(16.0)


def store(folder: Path, files: dict[str, Any], units: str = "mm", **more: Any) -> tuple[xarray.Dataset, str]:
    """Prepare a store of one truth, in blocks of 4 × 4; returns it and what was remarked."""
    described = {"name": "a", "title": "t", "citation": "c", "licence": "l", "factor": 4}
    described |= {"target": {"name": "v", "units": units, "fine": files}, **more}
    (folder / "a.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")
    done = prepare(folder / "a.yaml", folder / "a.zarr", overwrite=True, workers=1)
    return xarray.open_zarr(folder / "a.zarr"), "\n".join(done.remarks)


@pytest.fixture(autouse=True)
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.preparation.prepare.write_summary", lambda *_: None)


def netcdf(path: Path, values: np.ndarray, dims: tuple[str, ...], axes: dict[str, Any], **said: Any) -> None:
    """Write one variable "v" of one date; axes are (values, attributes) each."""
    with netCDF4.Dataset(path, "w") as file:
        time = {"time": ([0.0], {"units": "days since 2001-01-01"})}
        for name, (numbers, described) in {**time, **axes}.items():
            own = () if np.ndim(numbers) == 0 else (name,)
            if own:
                file.createDimension(name, len(numbers))
            axis = file.createVariable(name, "f8", own)
            axis[...] = numbers
            axis.setncatts(described)
        held = file.createVariable(
            "v", values.dtype, ("time", *dims), fill_value=said.pop("_FillValue", None)
        )
        held.set_auto_maskandscale(False)
        held.setncatts(said)
        held[0] = values


AXES = {"lat": (LAT, {"units": "degrees_north"}), "lon": (LON, {"units": "degrees_east"})}


def test_axes_in_another_order_and_two_fill_values(tmp_path: Path) -> None:
    values = RAIN.copy()
    values[0], values[1] = -9999.9, -32768
    said = {"_FillValue": np.float32(-9999.9), "missing_value": np.float32(-32768), "units": "mm"}
    axes = {"lon": AXES["lon"], "lat": (LAT[::-1], AXES["lat"][1])}
    netcdf(tmp_path / "v.nc", values[::-1].T, ("lon", "lat"), axes, **said)
    made, _ = store(tmp_path, {"files": "v.nc"})
    expected = np.where(values < -9000, np.nan, values)
    np.testing.assert_array_equal(made["target_fine"].values[0], expected)
    np.testing.assert_allclose(made.fine_y.values, LAT)
    np.testing.assert_allclose(made.fine_x.values, LON)


@pytest.mark.parametrize("told", [{}, {"scale": 0.01}, {"nodata": -9999}])
@pytest.mark.parametrize("way", ["nc", "zarr"])
def test_the_files_own_scale_counts_once(way: str, told: dict[str, float], tmp_path: Path) -> None:
    coordinates = {"time": np.array(["2001-01-01"], "datetime64[ns]"), "lat": LAT, "lon": LON}
    data = xarray.Dataset({"v": (("time", "lat", "lon"), RAIN[None])}, coordinates)
    data.lat.attrs["units"], data.lon.attrs["units"] = "degrees_north", "degrees_east"
    packing = {"v": {"dtype": "int16", "scale_factor": 0.01, "add_offset": 5.0, "_FillValue": -9999}}
    path = tmp_path / f"v.{way}"
    if way == "nc":
        data.to_netcdf(path, encoding=packing)
    else:
        data.to_zarr(path, encoding=packing, consolidated=False)
    made, _ = store(tmp_path, {"files": path.name, "file_units": "mm", **told})
    np.testing.assert_allclose(made["target_fine"].values[0], RAIN, atol=0.0051)


def test_a_number_that_no_tag_names_is_missing_and_told(tmp_path: Path) -> None:
    values = RAIN.copy()
    values[:, :4] = -9999
    with rasterio.open(
        tmp_path / "v_2001-01.tif", "w", driver="GTiff", dtype="float32", crs="EPSG:4326",
        count=1, height=12, width=16, transform=Affine(1, 0, 5, 0, -1, 51),
    ) as file:  # fmt: skip
        file.write(values, 1)
    made, told = store(tmp_path, {"files": "v_*.tif", "date": "v_{year}-{month}.tif", "file_units": "mm"})
    fine, coarse = made["target_fine"].values[0], made["target_coarse"].values[0]
    assert np.isnan(fine[:, :4]).all() and np.array_equal(fine[:, 4:], RAIN[:, 4:])
    assert np.isnan(coarse[:, 0]).all() and coarse[:, 1:].min() > 0
    assert "-9999 is taken as missing" in told


def test_a_rotated_pole_lies_at_its_place(tmp_path: Path) -> None:
    mapping = {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
    }
    rlon, rlat = -5 + 0.44 * np.arange(16), -3 + 0.44 * np.arange(16)
    axes = {
        "rlon": (rlon, {"standard_name": "grid_longitude", "units": "degrees"}),
        "rlat": (rlat, {"standard_name": "grid_latitude", "units": "degrees"}),
        "rotated_pole": (0.0, mapping),
    }
    values = np.full((16, 16), 280, np.float32)
    values[12, 3] = 300
    netcdf(tmp_path / "v.nc", values, ("rlat", "rlon"), axes, grid_mapping="rotated_pole", units="K")
    grid = {"crs": "EPSG:3035", "resolution": 80000, "extent": [3400000, 2400000, 5000000, 4000000]}
    # A CRS in the description is for files that say none.
    made, _ = store(tmp_path, {"files": "v.nc", "crs": "EPSG:4326"}, "degC", grid=grid)
    field = made["target_fine"].values[0]
    row, column = np.unravel_index(np.nanargmax(field), field.shape)
    got = Transformer.from_crs(3035, 4326, always_xy=True).transform(
        made.fine_x.values[column], made.fine_y.values[row]
    )
    right = Transformer.from_crs(CRS.from_cf(mapping), 4326, always_xy=True).transform(rlon[3], rlat[12])
    assert right == pytest.approx((11.900, 52.878), abs=0.001)
    assert got == pytest.approx(right, abs=0.2)  # half a cell of 20 km
    assert np.nanmin(field) == pytest.approx(6.85, abs=0.01)
