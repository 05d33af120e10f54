"""Sharpening in the dialog: covariates by any name, and what it tells of its result."""

from __future__ import annotations

import numpy
import pytest
from qgis.core import QgsProcessingContext, QgsProcessingException, QgsRasterLayer


@pytest.fixture
def parameters(write_raster, tmp_path):
    """A coarse field that follows a fine raster, which the user calls `ground`."""
    drawn = numpy.random.default_rng(3)
    ground = drawn.normal(size=(128, 128)).cumsum(0).cumsum(1).astype("float32") / 20
    coarse = 15 - ground.reshape(32, 4, 32, 4).mean((1, 3))
    return {
        "TARGET": write_raster("coarse.tif", coarse, 0.0, 50.0, 0.4),
        "METHOD": "sharpen",
        "FACTOR": 4,
        "SOURCES": f"ground={write_raster('ground.tif', ground, 0.0, 50.0, 0.1)}",
        "QUANTITY": "signed",
        "OUTPUT": str(tmp_path / "fine.tif"),
        "OUTPUT_EXPECTED_ERROR": str(tmp_path / "error.tif"),
        "OUTPUT_SUPPORT": str(tmp_path / "share.tif"),
    }


def run(parameters, feedback=None):
    """Run it as scripts do."""
    import processing

    return processing.run("msr:baseline", parameters, feedback=feedback)


def test_what_sharpen_tells_comes_as_rasters_of_their_own(provider, parameters, read_raster, feedback):
    result = run(parameters, feedback)
    files = {name: value for name, value in result.items() if name.startswith("OUTPUT")}
    assert files == {name: value for name, value in parameters.items() if name.startswith("OUTPUT")}
    error, share = (read_raster(parameters[name]) for name in ("OUTPUT_EXPECTED_ERROR", "OUTPUT_SUPPORT"))
    assert error.shape == share.shape == (128, 128) and error.min() > 0
    assert 0.5 < share.mean() <= 1
    assert any("carries" in text for text in feedback.said["info"])
    assert QgsRasterLayer(parameters["OUTPUT_SUPPORT"]).isValid()


def test_files_that_are_not_asked_for_are_not_made(provider, parameters):
    few = {k: v for k, v in parameters.items() if k not in ("OUTPUT_EXPECTED_ERROR", "OUTPUT_SUPPORT")}
    result = run(few)
    assert not {"OUTPUT_EXPECTED_ERROR", "OUTPUT_SUPPORT"} & {n for n, v in result.items() if v}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"METHOD": "bicubic"}, ["(SOURCES)", "bicubic takes none; choose sharpen"]),
        (
            {"METHOD": "bicubic", "SOURCES": ""},
            ["(OUTPUT_EXPECTED_ERROR)", "does not tell it; choose sharpen"],
        ),
        ({"SOURCES": "ground"}, ["(SOURCES)", "is not NAME=RASTER"]),
        ({"SOURCES": "ground=/nowhere/x.tif"}, ["(SOURCES), ground", "/nowhere/x.tif"]),
        ({"OUTPUT_SUPPORT": "/nowhere/s.tif"}, ["(OUTPUT_SUPPORT)", "does not exist"]),
    ],
)
def test_what_another_method_is_asked_for_is_refused(provider, parameters, change, words):
    with pytest.raises(QgsProcessingException) as refused:
        run({**parameters, **change})
    assert all(word in str(refused.value) for word in words), str(refused.value)


@pytest.mark.parametrize("way", [list, tuple, dict])
def test_the_lines_of_covariates_may_be_a_list(provider, parameters, way):
    name, _, path = parameters["SOURCES"].partition("=")
    value = {name: path} if way is dict else way([parameters["SOURCES"]])
    algorithm, context = provider.algorithm("baseline").create(), QgsProcessingContext()
    asked = {**parameters, "SOURCES": value}
    assert algorithm.checkParameterValues(asked, context) == (True, "")
    assert [source.path for source in algorithm.sources_of(asked, context).values()] == [path]


def test_a_covariate_stands_once(provider, parameters):
    twice = f"{parameters['SOURCES']}\n{parameters['SOURCES']}"
    with pytest.raises(QgsProcessingException, match="ground: this source stands twice"):
        run({**parameters, "SOURCES": twice})
