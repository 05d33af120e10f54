"""What the user says of a raster in place of its file."""

from __future__ import annotations

import numpy
import pytest
from qgis.core import QgsProcessingContext


@pytest.fixture
def refusal(provider):
    """Return a function that checks parameters and returns the sentence; "" where all is well."""
    contexts = []

    def check(name, parameters):
        contexts.append(QgsProcessingContext())
        return provider.algorithm(name).create().checkParameterValues(parameters, contexts[-1])[1]

    yield check
    contexts.clear()  # their layers must go before QGIS does


def good(rasters, tmp_path, **more):
    return {
        "TARGET": rasters["target"],
        "SOURCE_ELEVATION": rasters["elevation"],
        "OUTPUT": str(tmp_path / "fine.tif"),
        **more,
    }


def request_of(provider, feedback, parameters, name="tinyrain"):
    """Return the request that an algorithm makes of parameters."""
    algorithm, context = provider.algorithm(name).create(), QgsProcessingContext()
    assert algorithm.checkParameterValues(parameters, context) == (True, "")
    assert algorithm.prepareAlgorithm(parameters, context, feedback)
    return algorithm._request


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", ["(TOLD)", "“nonsense”", "NAME.units=UNIT"]),
        ("target.units", ["(TOLD)", "NAME.units=UNIT"]),
        ("target.units=", ["(TOLD)", "NAME.units=UNIT"]),
        ("units=mm", ["(TOLD)", "NAME.units=UNIT"]),
        ("target.colour=3", ["(TOLD)", "“target.colour=3”"]),
        ("temperature.units=K", ["(TOLD)", "no raster of this run", "target, elevation"]),
        ("target.nodata=none", ["(TOLD)", "“target.nodata=none”", "a number, such as -9999"]),
        ("target.nodata=nan", ["(TOLD)", "a number"]),
        ("target.offset=1e999", ["(TOLD)", "a number"]),
        ("elevation.scale=0", ["(TOLD)", "a number other than 0, such as 0.1"]),
        ("target.units=mm; target.units=cm", ["(TOLD)", "target.units stands twice"]),
    ],
)
def test_what_is_wrong_is_named(refusal, rasters, tmp_path, text, words):
    message = refusal("tinyrain", good(rasters, tmp_path, TOLD=text))
    assert all(word in message for word in words), message


def test_it_is_handed_on_for_each_raster(provider, rasters, tmp_path, feedback):
    text = "target.units = mm/day; SOURCE_ELEVATION.nodata=-32768;\nElevation.scale=0.1;elevation.offset=2;"
    request = request_of(provider, feedback, good(rasters, tmp_path, TOLD=text))
    assert request["target"]["units"] == "mm/day" and "nodata" not in request["target"]
    said = {key: request["sources"]["elevation"].get(key) for key in ("units", "nodata", "scale", "offset")}
    assert said == {"units": None, "nodata": -32768.0, "scale": 0.1, "offset": 2.0}
    untold = request_of(provider, feedback, good(rasters, tmp_path))
    assert set(untold["target"]) == {"path", "band", "crs"}


def test_scale_offset_and_missing_cells_count_in_the_run(provider, write_raster, tmp_path, read_raster):
    import processing

    numbers = numpy.full((6, 6), 200.0)
    numbers[0, 0] = -32768
    output = tmp_path / "fine.tif"
    processing.run(
        "msr:baseline",
        {
            "TARGET": write_raster("numbers.tif", numbers),
            "METHOD": "bilinear",
            "FACTOR": 2,
            "TOLD": "target.nodata=-32768; target.scale=0.5; target.offset=-40; target.units=degC",
            "OUTPUT": str(output),
        },
    )
    fine = read_raster(output)
    numpy.testing.assert_allclose(fine[4:, 4:], 60.0, rtol=1e-6)
    assert fine[0, 0] < -9000 or numpy.isnan(fine[0, 0])
