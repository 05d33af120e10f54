"""What covariates are said to be: in the form, in a batch's row, of every method that takes any."""

from __future__ import annotations

import json
import shutil

import numpy
import pytest
from qgis.core import QgsProcessingContext, QgsRasterLayer

from msr_plugin.algorithms.finer.covariate_kinds import KINDS
from msr_plugin.appearance.zarr_layer import shown_source


@pytest.fixture
def cover(hills, write_raster, read_raster):
    """Parameters of msr:sharpen with a covariate of five whole numbers, in metres for all that QGIS sees."""
    ground = read_raster(hills["COVARIATES"][0])
    steps = numpy.digitize(ground, numpy.quantile(ground, [0.2, 0.4, 0.6, 0.8])) * 10.0
    path = write_raster("field a.tif", steps, 0.0, 50.0, 0.1, units="m")
    return {**hills, "COVARIATES": [path]}


def prepared(provider, feedback, parameters, name="sharpen"):
    """Return the request that an algorithm makes of parameters."""
    algorithm, context = provider.algorithm(name).create(), QgsProcessingContext()
    assert algorithm.checkParameterValues(parameters, context) == (True, "")
    assert algorithm.prepareAlgorithm(parameters, context, feedback)
    return algorithm._request


def refusal(provider, parameters, name="sharpen"):
    context = QgsProcessingContext()
    return provider.algorithm(name).create().checkParameterValues(parameters, context)[1]


def test_the_words_are_the_engines(root):
    schema = json.loads((root / "engine" / "pipeline" / "request.schema.json").read_text(encoding="utf-8"))
    assert [*KINDS, None] == schema["$defs"]["raster"]["properties"]["kind"]["enum"]


def test_a_kind_that_is_said_counts(provider, cover, feedback):
    import processing

    processing.run("msr:sharpen", {**cover}, feedback=feedback)
    assert any("field_a: m;" in text and "as continuous" in text for text in feedback.said["info"])
    feedback.said["info"].clear()
    processing.run("msr:sharpen", {**cover, "KINDS": "Field a=class"}, feedback=feedback)
    assert any("taken as classes (0, 10, 20, 30, 40)" in text for text in feedback.said["info"])


@pytest.mark.parametrize("text", ["field_a=angle", "field a = Angle;", "\nFIELD_A=angle\n"])
def test_names_are_written_as_one_likes(provider, cover, feedback, text):
    assert prepared(provider, feedback, {**cover, "KINDS": text})["sources"]["field_a"]["kind"] == "angle"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("=class;", ["(KINDS)", "“=class” is not NAME=KIND"]),
        ("field_a", ["(KINDS)", "“field_a” is not NAME=KIND", "continuous, class, angle"]),
        ("field_a=number", ["“field_a=number”"]),
        ("dem=class", ["“dem” is no covariate of this run; it has field_a"]),
        ("target=class", ["“target” is no covariate"]),
        ("field_a=class; field a=angle", ["field_a stands twice"]),
    ],
)
def test_what_is_no_kind_is_refused(provider, cover, text, words):
    sentence = refusal(provider, {**cover, "KINDS": text})
    assert all(word in sentence for word in words), sentence


def test_every_method_that_takes_any_covariate_hears_it(provider, cover, feedback, tmp_path):
    lines = f"land={cover['COVARIATES'][0]}"
    asked = {"TARGET": cover["TARGET"], "METHOD": "sharpen", "FACTOR": 4, "SOURCES": lines}
    asked |= {"OUTPUT": str(tmp_path / "o.tif"), "KINDS": "land=class"}
    assert prepared(provider, feedback, asked, "baseline")["sources"]["land"]["kind"] == "class"
    other = {**asked, "METHOD": "bicubic", "SOURCES": ""}
    assert "(KINDS): the method bicubic takes none" in refusal(provider, other, "baseline")
    compared = {"TARGET": cover["TARGET"], "COVARIATES": cover["COVARIATES"], "FACTOR": 4}
    compared |= {"KINDS": "field_a=class", "OUTPUT_TABLE": str(tmp_path / "t.csv")}
    request = prepared(provider, feedback, compared, "comparemethods")
    assert request["sources"]["field_a"]["kind"] == "class" and "kind" not in request["target"]


def test_the_engine_speaks_of_it_in_the_forms_words(provider, hills, feedback):
    import processing
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException) as raised:
        processing.run("msr:sharpen", {**hills, "KINDS": "ground=class"}, feedback=feedback)
    assert "(ground=continuous in Kinds of the covariates (KINDS))" in str(raised.value)


def test_a_layer_is_meant_by_its_name_also_where_elevation_is_given(provider, cover, feedback, tmp_path):
    named = tmp_path / "elevation.tif"
    shutil.copy(cover["COVARIATES"][0], named)
    other = tmp_path / "ground.tif"
    asked = {"TARGET": cover["TARGET"], "COVARIATES": [str(named)], "ELEVATION": str(other), "FACTOR": 4}
    asked |= {"OUTPUT_TABLE": str(tmp_path / "t.csv")}
    for text in ("elevation=class", "Elevation=class", "elevation_2=class"):
        sources = prepared(provider, feedback, {**asked, "KINDS": text}, "comparemethods")["sources"]
        assert sources["elevation"]["path"] == str(other) and "kind" not in sources["elevation"]
        assert (sources["elevation_2"]["path"], sources["elevation_2"]["kind"]) == (str(named), "class")
    twice = {**asked, "KINDS": "elevation=class;elevation_2=angle"}
    assert "elevation_2 stands twice" in refusal(provider, twice, "comparemethods")
    same = {**asked, "ELEVATION": str(named), "KINDS": "elevation=continuous"}
    assert (
        prepared(provider, feedback, same, "comparemethods")["sources"]["elevation"]["kind"] == "continuous"
    )
    unknown = refusal(provider, {**asked, "KINDS": "cover=class"}, "comparemethods")
    assert unknown.endswith("it has elevation_2.")


@pytest.mark.parametrize("value", [["field_a=class"], ("field_a=class",), {"field_a": "class"}])
@pytest.mark.parametrize("name", ["KINDS", "TOLD", "DATE"])
def test_a_list_where_a_text_is_wanted_is_refused(provider, cover, name, value):
    sentence = refusal(provider, {**cover, name: value})
    assert f"({name}): " in sentence and "is a list: write one text" in sentence


def test_a_script_hears_of_a_list(provider, cover, feedback):
    import processing
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException, match="write one text"):
        processing.run("msr:sharpen", {**cover, "KINDS": ["field_a=class"]}, feedback=feedback)


def test_a_batch_and_a_model_say_it_as_text(provider, cover, feedback, tmp_path):
    from processing.gui.AlgorithmExecutor import execute

    row = {**cover, "KINDS": "field_a=class", "OUTPUT": str(tmp_path / "fine.zarr"), "FORMAT": "Zarr"}
    context = QgsProcessingContext()
    done, results = execute(provider.algorithm("sharpen").create(), row, context, feedback)
    assert done, feedback.said["error"]
    assert any("taken as classes" in text for text in feedback.said["info"])
    assert QgsRasterLayer(shown_source(results["OUTPUT"]), "fine", "gdal").isValid()
