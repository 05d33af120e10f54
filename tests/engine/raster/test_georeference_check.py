"""Georeferences that say no place on the globe, each refused by its name."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.warp
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS as ProjCRS
from pyproj import Transformer
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.rpc import RPC

from engine.errors import InputError
from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.checks.georeference_check import checked_crs, repeated_column
from engine.raster.reader import Raster
from engine.raster.reference import RasterRef

LOCAL = 'LOCAL_CS["site",UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'


def opened(path: str) -> Raster:
    return Raster(RasterRef(path), "target")


def plain(path: Path, **more: object) -> str:
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=4, width=4, dtype="float32", **more
    ) as file:
        file.write(np.ones((1, 4, 4), np.float32))
    return str(path)


def test_control_points_rpcs_and_geolocation_are_named_with_their_commands(tmp_path: Path) -> None:
    corners = [(0, 0, 5, 50), (0, 4, 9, 50), (4, 0, 5, 46), (4, 4, 9, 46)]
    points = [GroundControlPoint(r, c, x, y) for r, c, x, y in corners]
    gcps = plain(tmp_path / "gcps.tif", gcps=points, crs="EPSG:4326")
    with pytest.raises(InputError, match=r"ground control points.*gdalwarp -tps"):
        opened(gcps)
    rpcs = plain(tmp_path / "rpcs.tif")
    ones = [1.0] + [0.0] * 19
    with rasterio.open(rpcs, "r+") as file:
        file.rpcs = RPC(100, 500, 46, 4, ones, ones, 2, 2, 8, 4, ones, ones, 2, 2)
    with pytest.raises(InputError, match=r"\(RPC\).*gdalwarp -rpc"):
        opened(rpcs)
    swath = plain(tmp_path / "swath.tif")
    with rasterio.open(swath, "r+") as file:
        file.update_tags(ns="GEOLOCATION", X_DATASET=swath, X_BAND="1", Y_DATASET=swath, Y_BAND="1")
    with pytest.raises(InputError, match=r"curvilinear grid.*gdalwarp -geoloc"):
        opened(swath)
    with pytest.raises(InputError, match=r"not georeferenced.*gdal_edit.py -a_ullr"):
        opened(plain(tmp_path / "none.tif", crs="EPSG:4326"))


@pytest.mark.parametrize(
    ("crs", "words"),
    [("EPSG:4978", "geocentric"), ("EPSG:5773", "vertical"), (LOCAL, "engineering one, local to a site")],
)
def test_crss_without_a_place_are_named(crs: str, words: str) -> None:
    with pytest.raises(InputError, match=f"target: its CRS is .*{words}"):
        checked_crs(CRS.from_user_input(crs), "target: its CRS")


@pytest.mark.parametrize(("crs", "code"), [("EPSG:7415", 28992), ("EPSG:4979", 4326)])
def test_the_horizontal_part_of_a_crs_counts(write_raster, crs: str, code: int) -> None:
    cell, left, top = (1000.0, 1e5, 5e5) if code == 28992 else (1.0, 5.0, 50.0)
    raster = opened(write_raster("t.tif", np.ones((4, 4), np.float32), cell, left, top, crs=crs))
    assert raster.crs.to_epsg() == code and raster.geobox.crs.epsg == code


@pytest.mark.parametrize(
    ("transform", "crs", "words"),
    [
        (Affine(math.nan, 0, math.nan, 0, -1, 0), "EPSG:4326", "not a number"),
        (Affine(1, 0, math.inf, 0, -1, 0), "EPSG:4326", "not a number"),
        (Affine(1e-300, 0, 5, 0, -1e-300, 50), "EPSG:4326", "no size"),
        (Affine(1000, 0, 4_321_000, 0, -1000, 3_210_000), "EPSG:4326", "reaches to latitude 3.21e.06"),
        (Affine(1, 0, 50, 0, -1, 120), "EPSG:4326", "axes are exchanged"),
        (Affine(1000, 0, 0, 0, -1, 50), "EPSG:4326", "reaches to longitude 4000"),
        (Affine(200, 0, -300, 0, -1, 50), "EPSG:4326", "more than once.*gdal_translate -srcwin 0 0 2 4"),
        (Affine(1e9, 0, 0, 0, -1e9, 0), "EPSG:3035", "not on the globe"),
    ],
)
def test_absurd_places_and_cells_are_refused(write_raster, transform: Affine, crs: str, words: str) -> None:
    path = write_raster("t.tif", np.ones((4, 4), np.float32), transform=transform, crs=crs)
    with pytest.raises(InputError, match=words):
        opened(path)


def test_cells_centred_on_the_poles_are_none(write_raster) -> None:
    raster = opened(write_raster("t.tif", np.ones((181, 360), np.uint8), 1.0, -0.5, 90.5))
    assert raster.geobox.boundingbox.top == 90.5


def test_a_repeated_column_is_told_and_more_are_refused(write_raster) -> None:
    once = opened(write_raster("a.tif", np.ones((4, 37), np.float32), 10.0, -5.0, 20.0))
    assert "lies on the first one again" in (repeated_column(once.georeference, "target") or "")
    whole = opened(write_raster("b.tif", np.ones((4, 36), np.float32), 10.0, -5.0, 20.0))
    assert repeated_column(whole.georeference, "target") is None
    with pytest.raises(InputError, match="-srcwin 0 0 36 4"):
        opened(write_raster("c.tif", np.ones((4, 40), np.float32), 10.0, -5.0, 20.0))


ROTATED = ProjCRS.from_cf(
    {
        "grid_mapping_name": "rotated_latitude_longitude",
        "grid_north_pole_latitude": 39.25,
        "grid_north_pole_longitude": -162.0,
    }
).to_wkt()


def test_a_rotated_pole_is_read_by_position_and_kept(tmp_path: Path, write_raster) -> None:
    crs = CRS.from_wkt(ROTATED)
    lon, lat = np.meshgrid(np.arange(-10, 10, 0.5) + 0.25, np.arange(10, -10, -0.5) - 0.25)
    to_plain = Transformer.from_crs(ProjCRS.from_wkt(ROTATED), "EPSG:4326", always_xy=True)
    _, latitudes = to_plain.transform(lon, lat)
    raster = opened(write_raster("r.tif", latitudes.astype(np.float32), 0.5, -10.0, 10.0, crs=crs))
    grid = GeoBox((10, 10), Affine(50_000, 0, 4_200_000, 0, -50_000, 3_300_000), "EPSG:3035")
    got = raster.read(grid, [1], Resampling.bilinear)[0]
    x, y = grid.affine * np.meshgrid(np.arange(10) + 0.5, np.arange(10) + 0.5)
    _, right = Transformer.from_crs("EPSG:3035", "EPSG:4326", always_xy=True).transform(x, y)
    np.testing.assert_allclose(got, right, atol=0.01)
    out = tmp_path / "o.tif"
    super_resolve(SuperResolveRequest("bilinear", raster.ref, str(out), factor=2), Silent())
    with rasterio.open(out) as file:
        place = rasterio.warp.transform("EPSG:3035", file.crs, [4_200_000], [3_300_000])
        assert np.ravel(place) == pytest.approx([-5.909, 2.4367], abs=1e-3)
    plainer = write_raster("p.tif", np.ones((4, 4), np.float32), 1.0, 5.0, 50.0)
    super_resolve(SuperResolveRequest("bilinear", RasterRef(plainer), str(out), factor=2), Silent())
    assert not out.with_name("o.tif.aux.xml").exists()
