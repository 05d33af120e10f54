"""Targets of several dates and steps, with models that look at dates and ones that do not."""

from __future__ import annotations

import json
import shutil

import numpy
import processing
import pytest
from osgeo import gdal
from qgis.core import QgsProcessingException


def test_the_hours_of_a_day_are_averaged(provider, write_raster, tmp_path, read_raster):
    values = numpy.arange(1.0, 9).reshape(8, 1, 1) * numpy.ones((8, 4, 4))
    target = write_raster("hours.tif", values, units="mm")
    file = gdal.Open(target, gdal.GA_Update)
    for band in range(8):
        file.GetRasterBand(band + 1).SetMetadataItem("DATE", f"2024-11-26T{3 * band:02d}:00")
    file = None
    parameters = {"TARGET": target, "METHOD": "bilinear", "FACTOR": 2, "DATE": "2024-11-26"}
    for way, value in (("day:mean", 4.5), ("day:sum", 36)):
        output = tmp_path / f"{way[4:]}.tif"
        processing.run("msr:baseline", {**parameters, "AGGREGATE": way, "OUTPUT": str(output)})
        numpy.testing.assert_allclose(read_raster(output), value, rtol=1e-5)
    with pytest.raises(QgsProcessingException, match=r"8 steps on 2024-11-26.*AGGREGATE"):
        processing.run("msr:baseline", {**parameters, "OUTPUT": str(tmp_path / "none.tif")})


@pytest.fixture
def timeless(provider, tiny_model, tmp_path, monkeypatch):
    """Return the algorithm's id of a model whose sources do not change with the date."""
    folder = tmp_path / "models/timeless"
    shutil.copytree(tiny_model, folder)
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    card["id"] = "timeless"
    for source in card["sources"]:
        source["dynamic"] = False
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    monkeypatch.setenv("MSR_MODELS", str(folder.parent))
    provider.refreshAlgorithms()
    return "msr:timeless"


def test_a_model_without_dates_takes_a_target_with_several(
    timeless, rasters, write_raster, tmp_path, read_raster
):
    values = numpy.arange(1.0, 5).reshape(4, 1, 1) * numpy.ones((4, 10, 12))
    target = write_raster("steps.tif", values, units="mm")
    file = gdal.Open(target, gdal.GA_Update)
    for band in range(4):
        file.GetRasterBand(band + 1).SetMetadataItem(
            "DATE", f"2024-11-{26 + band // 2}T{12 * (band % 2):02d}:00"
        )
    file = None
    output = tmp_path / "fine.tif"
    parameters = {"TARGET": target, "SOURCE_ELEVATION": rasters["elevation"], "OUTPUT": str(output)}
    with pytest.raises(QgsProcessingException, match=r"4 dates: .*Date \(DATE\).*\(ALL_DATES\)"):
        processing.run(timeless, parameters)
    for choice, means in (
        ({"DATE": "2024-11-27T00"}, [3]),
        ({"ALL_DATES": True}, [1, 2, 3, 4]),
        ({"ALL_DATES": True, "AGGREGATE": "day:sum"}, [3, 7]),
        ({"DATE": "2024-11-26", "AGGREGATE": "day:mean"}, [1.5]),
        ({"TARGET_BAND": 2}, [2]),
    ):
        processing.run(timeless, {**parameters, **choice})
        fine = gdal.Open(str(output)).ReadAsArray().reshape(len(means), 40, 48)
        numpy.testing.assert_allclose(fine.mean(axis=(1, 2)), means, rtol=1e-4)
