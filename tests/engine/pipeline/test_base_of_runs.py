"""A run says what its model's base is made of, and where the base's regression was not fitted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.reference import GridRequest, RasterRef
from tests.engine.models.regressed_package import PLACE, fitted, package_with

UTM = {"crs": "EPSG:3035", "units": "K"}


@pytest.fixture()
def run(tmp_path: Path, write_raster):
    """Return a function that runs the model on a coarse raster from a left edge on."""
    package = package_with(tmp_path / "model", fitted())

    def made(left: float, columns: int = 4, name: str = "out.tif", **more):
        drawn = np.random.default_rng(0).normal(10, 3, (3, 9)).astype(np.float32)
        first = round((left - PLACE.transform.c) / 5000) % 9
        values = np.take(drawn, np.arange(first, first + columns) % 9, 1)
        target = write_raster(f"coarse-{name}", values, 5000, left, PLACE.transform.f, **UTM)
        output = str(tmp_path / name)
        result = super_resolve(SuperResolveRequest(str(package), RasterRef(target), output, **more), Silent())
        with rasterio.open(output) as file:
            return result, file.read(1), file.tags()

    return made


def test_on_the_fitted_cells_all_of_the_base_is_in_use(run) -> None:
    result, _, tags = run(PLACE.transform.c)
    assert tags["MSR_BASE"] == "0.25 bilinear + 0.75 neighbourhood"
    assert float(tags["MSR_BASE_FITTED"]) == 1 and not result.warnings


def test_where_it_was_not_fitted_the_others_stand_in_and_the_run_says_so(run) -> None:
    result, _, tags = run(PLACE.transform.c + 50_000)
    assert tags["MSR_BASE"] == "1 bilinear" and float(tags["MSR_BASE_FITTED"]) == 0
    assert any(
        "all the coarse cells are none that its regression was fitted on" in w for w in result.warnings
    )
    result, _, tags = run(PLACE.transform.c, columns=8, name="wide.tif")
    assert tags["MSR_BASE"] == "0.25 bilinear + 0.75 neighbourhood"
    assert any("52% of" in w for w in result.warnings)  # a cell without truth in training does not count


def test_tiles_and_a_part_of_the_raster_change_nothing(run) -> None:
    whole, tiles = (run(PLACE.transform.c, name=f"{tile}.tif", tile=tile)[1] for tile in (0, 1))
    assert np.array_equal(whole, tiles)
    left, top = PLACE.transform.c + 5000, PLACE.transform.f
    extent = (left, top - 10_000, left + 10_000, top)
    part = run(PLACE.transform.c, name="part.tif", grid=GridRequest(extent=extent))[1]
    assert np.array_equal(part, whole[:4, 2:6])
