"""Sources of any name: as what each is taken, seen in its file or said by the user."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from engine.errors import InputError
from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import check
from engine.raster.reference import RasterRef
from tests.engine.pipeline.rough_ground import (
    CELL,
    UTM,
    Listening,
    bands,
    block_mean,
    ground,
    interpolated,
    rmse,
    run,
)


def test_land_cover_is_taken_as_classes(make, tmp_path: Path) -> None:
    k = 4
    cover = np.digitize(ground(k, 7), [-500, 0, 400]).astype(np.uint8)
    truth = np.array([3.0, -2, 8, 1], np.float32)[cover]
    request = make(k, truth, cover=cover)
    taken = check(request, Silent())["inputs"][1]["notes"]
    assert "taken as classes (0, 1, 2, 3), the same for every date" in taken
    result = run(request)
    assert rmse(bands(request.output), truth) < 0.8 * rmse(interpolated(request, tmp_path), truth)
    assert result.sharpening["covariates"]["cover"]["carries"]


def test_an_aspect_is_taken_as_a_direction(make, write_raster, tmp_path: Path) -> None:
    k = 4
    turned = (ground(k, 9) / 3) % 360
    truth = (5 * np.cos(np.deg2rad(turned))).astype(np.float32)
    request = make(k, truth)
    path = write_raster("aspect.tif", turned.astype(np.float32), CELL / k, **UTM, units="degree")
    request = replace(request, sources={"aspect": RasterRef(path)})
    assert (
        "taken as directions in degrees, the same for every date"
        in check(request, Silent())["inputs"][1]["notes"]
    )
    run(request)
    right = rmse(bands(request.output), truth)
    run(replace(request, sources={"aspect": RasterRef(path, kind="continuous")}))
    assert right < 0.8 * rmse(interpolated(request, tmp_path), truth)
    assert right < 0.9 * rmse(bands(request.output), truth)


def test_heights_in_whole_metres_are_no_classes(make) -> None:
    z = ground(4).astype(np.int16)
    notes = check(make(4, ground(4), dem=z), Silent())["inputs"][1]["notes"]
    assert "taken as continuous values, the same for every date" in notes


def test_flat_ground_in_whole_metres_is_no_classes(make) -> None:
    flat = (ground(4) / 300).round().astype(np.int16)
    assert 2 < np.unique(flat).size < 20
    request = make(4, ground(4), dem=flat, landcover=flat, geology=flat.astype(np.float32))
    taken = {each["name"]: each["notes"][-1] for each in check(request, Silent())["inputs"][1:]}
    assert taken["dem"].startswith("taken as continuous")
    assert taken["landcover"].startswith("taken as classes (") and taken["geology"] == taken["landcover"]


def test_a_colour_table_makes_classes(make, tmp_path: Path) -> None:
    many = (ground(4) / 60).round().clip(-20, 20).astype(np.int16) + 20
    request = make(4, ground(4), ground=many.astype(np.uint8))
    assert check(request, Silent())["inputs"][1]["notes"][-1].startswith("taken as continuous")
    with rasterio.open(request.sources["ground"].path, "r+") as file:
        file.write_colormap(1, {n: (n, n, n, 255) for n in range(41)})
    taken = check(request, Silent())["inputs"][1]["notes"][-1]
    assert taken.startswith("taken as classes (") and taken.count(",") == 12  # the most frequent ones


def test_a_source_that_changes_with_the_month(make, write_raster, tmp_path: Path) -> None:
    k = 4
    months = [ground(k, 20 + m) for m in range(3)]
    truth = np.stack([20 + 0.004 * z for z in months])
    dates = ["2001-01", "2001-02", "2001-03"]
    request = make(k, truth, dates)
    green = write_raster("green.tif", np.stack(months), CELL / k, **UTM, dates=["--01", "--02", "--03"])
    request = replace(request, sources={"green": RasterRef(green)})
    assert (
        "taken as continuous values, a field for each date" in check(request, Silent())["inputs"][1]["notes"]
    )
    run(request)
    made, smooth = bands(request.output), interpolated(request, tmp_path)
    for date in range(3):
        assert rmse(made[date], truth[date]) < 0.5 * rmse(smooth[date], truth[date])


def test_a_source_as_coarse_as_the_target_adds_nothing(make, write_raster, tmp_path: Path) -> None:
    truth = 10 - 0.0065 * ground(4)
    request = make(4, truth)
    same = write_raster("same.tif", block_mean(truth, 4), CELL, **UTM)
    request = replace(request, sources={"same": RasterRef(same)})
    told = Listening()
    run(request, told)
    np.testing.assert_allclose(bands(request.output), interpolated(request, tmp_path), atol=1e-3)
    assert any(line.startswith("same: no detail of its own") for line in told.lines)


@pytest.mark.parametrize(
    ("kind", "words"), [("height", "no kind height"), ("class", "no class number"), ("angle", "degrees")]
)
def test_kinds_that_a_source_is_not(make, write_raster, kind: str, words: str) -> None:
    request = make(4, ground(4))
    dem = write_raster("dem.tif", ground(4), CELL / 4, **UTM, units="m")
    with pytest.raises(InputError, match=f"dem: .*{words}"):
        run(replace(request, sources={"dem": RasterRef(dem, kind=kind)}))


def test_a_source_named_target_is_refused(make) -> None:
    request = make(4, ground(4), dem=ground(4))
    with pytest.raises(InputError, match="cannot be named target"):
        run(replace(request, sources={"target": request.sources["dem"]}))


def test_twelve_bands_without_dates_are_the_months(make, write_raster, tmp_path: Path) -> None:
    k = 4
    months = [ground(k, 40 + m) for m in range(12)]
    truth = np.stack([20 + 0.004 * months[m] for m in (5, 6)])
    request = make(k, truth, ["2001-06", "2001-07"])
    green = write_raster("green.tif", np.stack(months), CELL / k, **UTM)
    request = replace(request, sources={"green": RasterRef(green)})
    notes = check(request, Silent())["inputs"][1]["notes"]
    assert "taken as continuous values, a field for each part of the year" in notes
    run(request)
    made, smooth = bands(request.output), interpolated(request, tmp_path)
    for date in range(2):
        assert rmse(made[date], truth[date]) < 0.5 * rmse(smooth[date], truth[date])


def test_the_message_is_checked(make) -> None:
    message = make(4, ground(4), dem=ground(4)).to_json()
    message["sources"]["dem"]["kind"] = "height"
    with pytest.raises(InputError, match=r"sources\.dem\.kind"):
        SuperResolveRequest.from_json(message)
