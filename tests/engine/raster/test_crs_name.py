"""Coordinate systems in a few words."""

from __future__ import annotations

import pytest
from affine import Affine
from pyproj import CRS
from rasterio.crs import CRS as RasterCRS

from engine.raster.crs_name import cell_size, crs_name
from engine.raster.georeference import Georeference

NAMED = (
    CRS.from_proj4("+proj=laea +lat_0=50 +lon_0=9 +datum=WGS84").to_wkt().replace("unknown", "Alpine grid", 1)
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("EPSG:32631", "EPSG:32631"),
        (CRS.from_epsg(2154).to_wkt(), "EPSG:2154"),
        (
            "+proj=tmerc +lon_0=6.5 +k=0.9996 +ellps=GRS80 +units=m",
            "custom CRS (transverse Mercator, 6.5° E)",
        ),
        (
            "+proj=lcc +lat_1=45 +lat_2=49 +lon_0=-100 +datum=WGS84",
            "custom CRS (Lambert Conic Conformal (2SP), 100° W)",
        ),
        ("+proj=longlat +a=6371229 +b=6371229", "custom CRS (geographic)"),
        (NAMED, "Alpine grid"),
        ("no CRS at all", "custom CRS"),
    ],
)
def test_a_crs_is_a_code_a_name_or_its_kind(text, name):
    assert crs_name(text) == name


def test_a_grid_with_a_custom_crs_is_told_without_wkt():
    crs = RasterCRS.from_user_input("+proj=tmerc +lon_0=6.5 +k=0.9996 +ellps=GRS80 +units=m")
    told = Georeference(crs, Affine(500, 0, 0, 0, -500, 0), 8, 4).describe()
    assert told == "8 × 4 cells of 500 m × 500 m, custom CRS (transverse Mercator, 6.5° E)"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("EPSG:4326", "0.25° × 0.5°"),
        ("EPSG:32632", "0.25 m × 0.5 m"),
        ("EPSG:2263", "0.25 US survey foot × 0.5 US survey foot"),
        ("no CRS at all", "0.25 × 0.5"),
    ],
)
def test_the_size_of_cells_has_the_units_of_the_crs(text, size):
    assert cell_size(0.25, -0.5, text) == size
