"""The format of results: chosen from a list, or by how a name ends; a Zarr store is a layer, too."""

from __future__ import annotations

from pathlib import Path

import numpy
import processing
import pytest
from osgeo import gdal
from qgis.core import (
    QgsProcessingContext,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterRasterLayer,
    QgsProcessingUtils,
    QgsProject,
    QgsRasterLayer,
)

from msr_plugin.algorithms.engine_run import tidy
from msr_plugin.algorithms.output_format import ENDINGS
from msr_plugin.appearance.zarr_layer import holds_several_fields, shown_source

MONTHS = ["2018-12", "2019-01", "2019-02"]


@pytest.fixture
def months(write_raster):
    """Parameters of a run of three months."""
    path = write_raster("months.tif", numpy.random.default_rng(0).gamma(2, 4, (3, 8, 8)), units="mm")
    file = gdal.Open(path, gdal.GA_Update)
    for number, date in enumerate(MONTHS, 1):
        file.GetRasterBand(number).SetMetadataItem("DATE", date)
    file = None
    return {"TARGET": path, "METHOD": "bilinear", "FACTOR": 2, "ALL_DATES": True}


@pytest.fixture
def project():
    """A project of its own; its layers go before QGIS does."""
    made = QgsProject()
    yield made
    made.clear()


def refusal(provider, parameters, name="baseline"):
    context = QgsProcessingContext()
    return provider.algorithm(name).create().checkParameterValues(parameters, context)[1]


def highest(source):
    """Return the largest value of each band as QGIS reads it."""
    layer = QgsRasterLayer(source, "read", "gdal")
    assert layer.isValid(), source
    provider = layer.dataProvider()
    return [provider.bandStatistics(band).maximumValue for band in range(1, layer.bandCount() + 1)]


@pytest.mark.parametrize("name", ["superresolve", "baseline", "sharpen", "tinyrain"])
def test_what_makes_a_finer_raster_asks_for_a_format(provider, name):
    algorithm = provider.algorithm(name)
    definition = algorithm.parameterDefinition("FORMAT")
    assert definition.options() == ["auto", "GeoTIFF", "NetCDF", "Zarr"]
    assert "Zarr store" in definition.help()


@pytest.mark.parametrize("chosen", ["auto", *ENDINGS])
def test_a_temporary_raster_is_of_the_format_chosen(provider, months, chosen):
    asked = {**months, "FORMAT": chosen, "OUTPUT": "TEMPORARY_OUTPUT"}
    output = processing.run("msr:baseline", asked)["OUTPUT"]
    assert output.endswith(ENDINGS.get(chosen, (".tif",))[0])
    plain = processing.run("msr:baseline", {**months, "OUTPUT": "TEMPORARY_OUTPUT"})["OUTPUT"]
    assert highest(shown_source(output)) == highest(plain)


def test_a_name_says_its_format_by_itself(provider, months, tmp_path):
    output = tmp_path / "fine.zarr"
    assert processing.run("msr:baseline", {**months, "OUTPUT": str(output)})["OUTPUT"] == str(output)
    assert (output / ".zmetadata").is_file()


def test_a_name_of_another_format_is_refused(provider, months, tmp_path):
    output = str(tmp_path / "fine.tif")
    sentence = refusal(provider, {**months, "FORMAT": "Zarr", "OUTPUT": output})
    assert "(OUTPUT) does not end in .zarr" in sentence and "(FORMAT) is Zarr" in sentence
    assert refusal(provider, {**months, "FORMAT": "GeoTIFF", "OUTPUT": output}) == ""
    error = str(tmp_path / "error.nc")
    asked = {**months, "METHOD": "sharpen", "FORMAT": "GeoTIFF", "OUTPUT": output}
    assert "(OUTPUT_EXPECTED_ERROR)" in refusal(provider, {**asked, "OUTPUT_EXPECTED_ERROR": error})
    assert "none of auto" in refusal(provider, {**months, "FORMAT": "HFA", "OUTPUT": output})
    other = str(tmp_path / "fine.img")
    assert "img" in refusal(provider, {**months, "OUTPUT": other})


def test_a_zarr_of_many_dates_is_loaded_as_a_layer_with_bands(provider, months, feedback, project):
    context = QgsProcessingContext()
    context.setProject(project)
    definition = QgsProcessingOutputLayerDefinition("TEMPORARY_OUTPUT", project)
    algorithm = provider.algorithm("baseline").create()
    results, done = algorithm.run({**months, "FORMAT": "Zarr", "OUTPUT": definition}, context, feedback)
    assert done, feedback.said["error"]
    ((name, details),) = context.layersToLoadOnCompletion().items()
    layer = QgsProcessingUtils.mapLayerFromString(name, context, False)
    assert layer.bandCount() == 3 and layer.crs().authid() == "EPSG:4326"
    details.postProcessor().postProcessLayer(layer, context, feedback)
    assert layer.temporalProperties().isActive()
    plain = processing.run("msr:baseline", {**months, "OUTPUT": "TEMPORARY_OUTPUT"})["OUTPUT"]
    assert highest(layer.source()) == highest(plain)
    assert results["OUTPUT"].endswith(".zarr")
    context.temporaryLayerStore().removeAllMapLayers()


@pytest.mark.parametrize(("given", "name"), [("TEMPORARY_OUTPUT", "Finer raster"), ("rain.zarr", "rain")])
@pytest.mark.parametrize("dates", [True, False])
def test_the_layer_of_a_zarr_is_called_as_that_of_a_file(
    provider, months, feedback, project, tmp_path, given, name, dates
):
    context = QgsProcessingContext()
    context.setProject(project)
    place = given if given == "TEMPORARY_OUTPUT" else str(tmp_path / given)
    output = QgsProcessingOutputLayerDefinition(place, project)
    algorithm = provider.algorithm("baseline").create()
    which = {} if dates else {"ALL_DATES": False, "DATE": MONTHS[0]}
    _, done = algorithm.run({**months, **which, "FORMAT": "Zarr", "OUTPUT": output}, context, feedback)
    assert done, feedback.said["error"]
    ((source, details),) = context.layersToLoadOnCompletion().items()
    layer = QgsProcessingUtils.mapLayerFromString(source, context, False)
    details.name = details.name or "Finer raster"  # what the dialog sets
    details.setOutputLayerName(layer)
    assert layer.name() == name
    context.temporaryLayerStore().removeAllMapLayers()


def test_a_store_that_is_no_zarr_stays_what_it_is(tmp_path):
    (tmp_path / "odd.zarr").mkdir()
    assert shown_source(str(tmp_path / "odd.zarr")) == str(tmp_path / "odd.zarr")
    assert shown_source("fine.tif") == "fine.tif"
    (tmp_path / "odd.zarr" / "target").mkdir()
    for text in ("{", "[]", '{"shape": 3, "chunks": 3}'):
        (tmp_path / "odd.zarr" / "target" / ".zarray").write_text(text)
        assert not holds_several_fields(str(tmp_path / "odd.zarr"))


def test_a_store_is_read_again_as_its_layer(provider, months, tmp_path, feedback, capfd):
    store = str(tmp_path / "half.zarr")
    processing.run("msr:baseline", {**months, "OUTPUT": store})
    capfd.readouterr()
    for name, asked in (("sharpen", {"COVARIATES": [store]}), ("baseline", {"TARGET": store})):
        # Through Python, so that no widget of QGIS opens it either.
        sentence = refusal(provider, {**months, **asked, "OUTPUT": "TEMPORARY_OUTPUT"}, name)
        assert sentence == ""
    assert "Unable to compute a transformation" not in capfd.readouterr().err  # GDAL's, of a vain try
    layer = QgsRasterLayer(shown_source(store, MONTHS), "half", "gdal")
    for target in (store, layer):
        asked = {**months, "TARGET": target, "OUTPUT": "TEMPORARY_OUTPUT"}
        made = processing.run("msr:baseline", asked, feedback=feedback)["OUTPUT"]
        assert QgsRasterLayer(made, "made").bandCount() == 3
    sentence = refusal(provider, {**months, "TARGET": store, "OUTPUT": store})
    assert "same file as" in sentence


def test_what_a_stopped_run_left_of_a_store_goes(tmp_path):
    store = tmp_path / "fine.zarr"
    (store / "target").mkdir(parents=True)
    tidy([str(store)], None, final=True)
    assert not store.exists()


def step_of(identity, named, output, **static):
    step = QgsProcessingModelChildAlgorithm("msr:baseline")
    step.setChildId(identity)
    source = QgsProcessingModelChildParameterSource
    values = {"METHOD": "bilinear", "FACTOR": 2, "ALL_DATES": True, **static}
    for name, value in values.items():
        step.addParameterSources(name, [source.fromStaticValue(value)])
    if output:
        final = QgsProcessingModelOutput("fine")
        final.setChildId(identity)
        final.setChildOutputName("OUTPUT")
        step.setModelOutputs({"fine": final})
    step.addParameterSources("TARGET", [named])
    return step


@pytest.mark.parametrize("given", ["TEMPORARY_OUTPUT", "fine.nc"])
def test_steps_of_a_model_hand_on_each_format(provider, months, feedback, tmp_path, given):
    source = QgsProcessingModelChildParameterSource
    made = QgsProcessingModelAlgorithm("twice", "tests")
    made.addModelParameter(
        QgsProcessingParameterRasterLayer("coarse", "coarse"), QgsProcessingModelParameter("coarse")
    )
    made.addChildAlgorithm(step_of("first", source.fromModelParameter("coarse"), False, FORMAT="Zarr"))
    made.addChildAlgorithm(
        step_of("second", source.fromChildOutput("first", "OUTPUT"), True, FORMAT="NetCDF")
    )
    asked = given if given == "TEMPORARY_OUTPUT" else str(tmp_path / given)
    context = QgsProcessingContext()
    results, done = made.run({"coarse": months["TARGET"], "second:fine": asked}, context, feedback)
    assert done, feedback.said["error"]
    output = Path(results["second:fine"])
    assert output.suffix == ".nc" and len(highest(str(output))) == 3


def test_a_step_of_a_model_refuses_a_name_of_another_format_in_a_sentence(
    provider, months, feedback, tmp_path
):
    source = QgsProcessingModelChildParameterSource
    made = QgsProcessingModelAlgorithm("once", "tests")
    made.addChildAlgorithm(step_of("only", source.fromStaticValue(months["TARGET"]), True, FORMAT="NetCDF"))
    output = tmp_path / "fine.tif"
    _, done = made.run({"only:fine": str(output)}, QgsProcessingContext(), feedback)
    said = " ".join(feedback.said["error"])
    assert not done and not output.exists()
    assert "(OUTPUT) does not end in .nc" in said and "fault" not in said
