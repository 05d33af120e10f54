"""Where a window lies among cells that something was fitted on."""

from __future__ import annotations

import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from engine.fields.same_cells import place_among

OWN = GeoBox((6, 8), Affine(2, 0, 10, 0, -2, 50), "EPSG:4326")


def grid(
    left: float, top: float, size: float = 2.0, shape: tuple[int, int] = (3, 4), crs="EPSG:4326"
) -> GeoBox:
    return GeoBox(shape, Affine(size, 0, left, 0, -size, top), crs)


@pytest.mark.parametrize(
    ("window", "place"),
    [
        (grid(10, 50), (0, 0)),
        (grid(14, 46), (2, 2)),
        (grid(6, 54), (-2, -2)),  # beyond the fitted cells, on their lattice
        (grid(14 + 360, 46), (2, 2)),
        (grid(14 - 720, 46), (2, 2)),
        (grid(14.03, 46), (2, 2)),  # 0.015 of a cell
        (grid(14.05, 46), None),
        (grid(14, 46, 2.002, (3, 30)), None),  # apart at the far end alone
        (grid(14, 46, 1.0), None),
        (grid(14, 46, crs="EPSG:4258"), None),
    ],
)
def test_a_window_is_placed_where_its_cells_are_the_same(window, place):
    assert place_among(OWN, window) == place


def test_a_part_of_a_grid_is_placed():
    assert place_among(OWN, grid(10, 50, shape=(20, 20)), (3, 5), (2, 2)) == (3, 5)
    # Steps that are a little off count where the window is, not where its grid ends.
    off = grid(10, 50, 2.002, (100, 100))
    assert place_among(OWN, off, (2, 2), (3, 3)) == (2, 2)
    assert place_among(OWN, off, (90, 90), (3, 3)) is None
