"""A simple method takes its factor from the grid that is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from engine.pipeline.request import SuperResolveRequest
from engine.raster.reference import GridRequest
from tests.engine.pipeline.rough_ground import CELL, ROWS, UTM, bands, ground, run


@pytest.fixture()
def request_of_grid(make, write_raster):
    """Return a function that gives a run's request, for so many fine cells along a coarse one."""

    def made(cells: float, **grid: object) -> SuperResolveRequest:
        edge = int(ROWS * cells)
        like = write_raster("like.tif", np.zeros((edge, edge), np.float32), CELL / cells, **UTM)
        wanted = GridRequest(**grid) if grid else GridRequest(like=like)
        return replace(make(4, ground(4)), model="bicubicsmooth", factor=None, grid=wanted)

    return made


def test_a_reference_grid_says_it(request_of_grid) -> None:
    request = request_of_grid(8)
    assert run(request).residual < 1e-3
    made = bands(request.output)[0]
    by_factor = replace(request, factor=8, output=request.output.replace("fine", "other"))
    run(by_factor)
    np.testing.assert_array_equal(made, bands(by_factor.output)[0])


def test_so_does_a_resolution(request_of_grid) -> None:
    result = run(request_of_grid(8, resolution=CELL / 5))
    assert (result.height, result.residual < 1e-3) == (5 * ROWS, True)


@pytest.mark.parametrize(
    ("cells", "grid", "sentence"),
    [
        (1, {}, r"like\.tif are no finer than the target's"),
        (120, {}, "120 times finer than the target's, and 100 times is the most"),
        (1, {"resolution": CELL}, "cells of the resolution asked for are no finer"),
        (1, {"crs": "EPSG:32633"}, "needs a factor"),
    ],
)
def test_a_grid_that_cannot_say_it_is_refused(
    request_of_grid, cells: float, grid: dict[str, object], sentence: str
) -> None:
    request = request_of_grid(cells, **grid)
    with pytest.raises(InputError, match=sentence):
        run(request)
    assert not Path(request.output).exists()
