"""Ensembles as a user of QGIS asks for them: parameters, checks, files, colours."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from osgeo import gdal
from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterRasterLayer,
    QgsRasterLayer,
)

from msr_plugin.algorithms import ensemble
from msr_plugin.appearance.style import SHARE, SPREAD, Look, make_renderer

FILES = ("OUTPUT_SPREAD", "OUTPUT_QUANTILES", "OUTPUT_MEMBERS", "OUTPUT_SUPPORT")


def run(identity, parameters, feedback=None):
    """Run an algorithm as scripts do."""
    import processing

    return processing.run(identity, parameters, feedback=feedback)


def read_bands(path):
    """Read all bands of a raster as float64."""
    file = gdal.Open(str(path))
    return numpy.atleast_3d(file.ReadAsArray().astype(float).T).T


@pytest.fixture
def parameters(rasters, tmp_path):
    """Parameters of a run of the noisy model, with an output in a folder of its own."""
    (tmp_path / "out").mkdir()
    return {
        "TARGET": rasters["target"],
        "SOURCE_ELEVATION": rasters["elevation"],
        "CONSERVATION": 1,
        "OUTPUT": str(tmp_path / "out" / "fine.tif"),
    }


@pytest.fixture
def everything(parameters, tmp_path):
    """The same as an ensemble of five with every file."""
    files = {name: str(tmp_path / "out" / f"{name.lower()}.tif") for name in FILES}
    return {**parameters, "MEMBERS": 5, "SEED": 3, "QUANTILES": "0.25; 0.5 0.75", **files}


@pytest.fixture
def refusal(noisy_provider):
    """Return a function that checks parameters and returns the sentence; "" where all is well."""
    contexts = []

    def check(name, parameters):
        contexts.append(QgsProcessingContext())
        algorithm = noisy_provider.algorithm(name).create()
        fine, message = algorithm.checkParameterValues(parameters, contexts[-1])
        assert fine == (message == "")
        return message

    yield check
    contexts.clear()  # their layers must go before QGIS does


def test_only_models_with_members_ask_for_them(noisy_provider):
    asked = {"MEMBERS", "SEED", "COHERENCE", "QUANTILES", *FILES}
    for name, wanted in (("noisyrain", asked), ("superresolve", asked), ("tinyrain", set())):
        definitions = {p.name(): p for p in noisy_provider.algorithm(name).parameterDefinitions()}
        assert asked & set(definitions) == wanted
        for one in wanted:
            advanced = bool(definitions[one].flags() & QgsProcessingParameterDefinition.FlagAdvanced)
            assert advanced == (one != "MEMBERS")
            assert definitions[one].help()
    for name in FILES:
        definition = noisy_provider.algorithm("noisyrain").parameterDefinition(name)
        assert definition.flags() & QgsProcessingParameterDefinition.FlagOptional
        assert not definition.createByDefault()


def test_the_files_hold_what_they_are_called(noisy_provider, everything, rasters, feedback):
    result = run("msr:noisyrain", everything, feedback)
    assert {name: result[name] for name in FILES} == {name: everything[name] for name in FILES}
    mean, members = read_bands(result["OUTPUT"])[0], read_bands(result["OUTPUT_MEMBERS"])
    assert members.shape == (5, 40, 48)
    coarse = read_bands(rasters["target"])[0]
    for field in (mean, *members):
        numpy.testing.assert_allclose(field.reshape(10, 4, 12, 4).mean((1, 3)), coarse, rtol=1e-5)
    numpy.testing.assert_allclose(mean, members.mean(0), rtol=1e-4, atol=1e-4)
    spread = read_bands(result["OUTPUT_SPREAD"])[0]
    numpy.testing.assert_allclose(spread, members.std(0, ddof=1), rtol=1e-3, atol=1e-3)
    quantiles = read_bands(result["OUTPUT_QUANTILES"])
    numpy.testing.assert_allclose(quantiles[1], numpy.median(members, 0), rtol=1e-4, atol=1e-4)
    support = read_bands(result["OUTPUT_SUPPORT"])[0]
    assert numpy.nanmin(support) >= 0 and numpy.nanmax(support) <= 1
    assert result["RESIDUAL"] < 1e-3
    layer = QgsRasterLayer(result["OUTPUT_QUANTILES"])
    assert [layer.bandName(n) for n in (1, 3)] == ["Band 1: quantile 0.25", "Band 3: quantile 0.75"]


def test_without_members_nothing_changes(noisy_provider, parameters, tmp_path):
    result = run("msr:noisyrain", parameters)
    assert not set(FILES) & set(result)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["fine.tif"]


def test_the_generic_algorithm_gives_the_same_whatever_the_tiles(
    noisy_provider, everything, rasters, tmp_path
):
    run("msr:noisyrain", everything)
    own = {name: read_bands(everything[name]) for name in ("OUTPUT", *FILES)}
    generic = {k: v for k, v in everything.items() if k != "SOURCE_ELEVATION"}
    generic |= {"MODEL": "noisyrain", "SOURCES": f"elevation={rasters['elevation']}", "TILE": 3}
    result = run("msr:superresolve", generic)
    assert result["TILES"] == 16
    for name, fields in own.items():
        numpy.testing.assert_allclose(read_bands(everything[name]), fields, rtol=1e-3, atol=2e-3)


def test_temporary_files_will_do(noisy_provider, parameters):
    temporary = dict.fromkeys(("OUTPUT", *FILES), "TEMPORARY_OUTPUT")
    result = run("msr:noisyrain", {**parameters, **temporary, "MEMBERS": 2})
    paths = [result[name] for name in ("OUTPUT", *FILES)]
    assert len(set(paths)) == 5 and all(Path(path).is_file() for path in paths)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"MEMBERS": 0},
            ["Ensemble: spread of the members (OUTPUT_SPREAD)", "(MEMBERS)", "needs an ensemble"],
        ),
        ({"MEMBERS": 1}, ["(MEMBERS)", "0 for the one estimate, or from 2 to 200"]),
        ({"MEMBERS": 201}, ["MEMBERS"]),
        ({"QUANTILES": "0.1, 1.5"}, ["(QUANTILES)", "“1.5” is not a number between 0 and 1"]),
        ({"QUANTILES": "0,1; 0,5"}, ["(QUANTILES)", "“0”"]),
        ({"QUANTILES": "many"}, ["(QUANTILES)", "“many”"]),
        ({"QUANTILES": "0.5 0.50"}, ["(QUANTILES)", "0.50 stands twice"]),
        ({"QUANTILES": " ".join(f"0.{n:03}" for n in range(1, 101))}, ["(QUANTILES)", "100 are too many"]),
        ({"OUTPUT_SUPPORT": "support.png"}, ["(OUTPUT_SUPPORT)", "GeoTIFF"]),
        ({"OUTPUT_MEMBERS": "/nowhere/m.tif"}, ["(OUTPUT_MEMBERS)", "does not exist"]),
    ],
)
def test_what_is_wrong_is_named(refusal, everything, change, words):
    assert refusal("noisyrain", everything) == ""
    message = refusal("noisyrain", {**everything, **change})
    assert all(word in message for word in words), message


def test_coherence_in_time_needs_dates(noisy_provider, everything):
    with pytest.raises(QgsProcessingException) as caught:
        run("msr:noisyrain", {**everything, "COHERENCE": 5})
    words = "Ensemble: days over which members change (COHERENCE) of 5 days needs dates with years and months"
    assert words in str(caught.value)


def test_files_must_differ_from_inputs_and_from_each_other(refusal, everything):
    message = refusal("noisyrain", {**everything, "OUTPUT_SPREAD": everything["OUTPUT"]})
    assert "(OUTPUT_SPREAD)" in message and "(OUTPUT)" in message and "same file" in message
    definition = QgsProcessingOutputLayerDefinition(everything["TARGET"])
    message = refusal("noisyrain", {**everything, "OUTPUT_SUPPORT": definition})
    assert "(OUTPUT_SUPPORT)" in message and "(TARGET)" in message


def test_the_disk_must_hold_all_of_them(refusal, everything, monkeypatch):
    from msr_plugin.algorithms import preflight

    room = 3 * (40 * 48 * 10 + 2**20)  # for three bands in as many files
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": room}))
    few = {name: value for name, value in everything.items() if name not in FILES[1:]}
    assert refusal("noisyrain", few) == ""
    message = refusal("noisyrain", everything)
    assert "(OUTPUT_QUANTILES)" in message and "disk" in message


def test_empty_quantiles_are_the_usual_ones(noisy_provider, everything):
    algorithm, context = noisy_provider.algorithm("noisyrain").create(), QgsProcessingContext()
    request = ensemble.request_of(algorithm, {**everything, "QUANTILES": ""}, context)
    assert request == {"ensemble": {"members": 5, "levels": [0.1, 0.5, 0.9]}, "seed": 3}


def test_a_model_without_members_refuses_them_in_the_generic_algorithm(refusal, parameters, rasters):
    generic = {k: v for k, v in parameters.items() if k != "SOURCE_ELEVATION"}
    generic |= {"SOURCES": f"elevation={rasters['elevation']}", "MEMBERS": 4}
    assert refusal("superresolve", {**generic, "MODEL": "noisyrain"}) == ""
    message = refusal("superresolve", {**generic, "MODEL": "tinyrain"})
    assert "(MEMBERS)" in message and "tinyrain gives one estimate" in message


def test_a_climatology_without_date_is_refused(refusal, parameters, write_raster, rasters):
    months = write_raster("months.tif", numpy.ones((12, 40, 48)), resolution=0.25, units="mm")
    given = {**parameters, "SOURCE_CLIMATE": months}
    message = refusal("noisyrain", given)
    assert "Date (DATE) is missing" in message and "(SOURCE_CLIMATE) has 12 bands" in message
    for date in ({"DATE": "11"}, {"ALL_DATES": True}):
        assert refusal("noisyrain", {**given, **date}) == ""
    generic = {**parameters, "MODEL": "noisyrain"}
    generic["SOURCES"] = f"elevation={rasters['elevation']}\nclimate={months}"
    assert "Date (DATE) is missing" in refusal("superresolve", generic)
    simple = {**parameters, "METHOD": "climatologyratio", "CLIMATOLOGY": months, "FACTOR": 4}
    assert "(CLIMATOLOGY) has 12 bands" in refusal("baseline", simple)
    assert refusal("baseline", {**simple, "METHOD": "bicubic"}) == ""
    year = write_raster("year.tif", numpy.ones((1, 40, 48)), resolution=0.25, units="mm")
    assert refusal("noisyrain", {**parameters, "SOURCE_CLIMATE": year}) == ""


@pytest.mark.parametrize("place", ["tag", "name"])
def test_a_date_in_the_target_is_enough_for_a_climatology(refusal, parameters, write_raster, place):
    months = write_raster("months.tif", numpy.ones((12, 40, 48)), resolution=0.25, units="mm")
    dated = write_raster("dated.tif", numpy.ones((10, 12)), units="mm")
    file = gdal.Open(dated, gdal.GA_Update)
    if place == "tag":
        file.GetRasterBand(1).SetMetadataItem("DATE", "2001-11")
    else:
        file.GetRasterBand(1).SetDescription("2001-11")
    file = None
    assert refusal("noisyrain", {**parameters, "TARGET": dated, "SOURCE_CLIMATE": months}) == ""


def test_a_cancel_leaves_none_of_the_files(noisy_provider, everything, write_raster, tmp_path, feedback):
    values = numpy.random.default_rng(1).gamma(2, 4, (80, 80))
    target = write_raster("large.tif", values, resolution=0.1)
    feedback.progressChanged.connect(lambda value: feedback.cancel() if value > 5 else None)
    result = run("msr:noisyrain", {**everything, "TARGET": target, "MEMBERS": 40, "TILE": 8}, feedback)
    assert feedback.isCanceled() and "RESIDUAL" not in result
    assert list((tmp_path / "out").iterdir()) == []


def test_the_colours_tell_spread_and_support(qgis_app, write_raster):
    values = numpy.linspace(0.2, 0.6, 100).reshape(10, 10)
    layer = QgsRasterLayer(write_raster("share.tif", values))
    renderer = make_renderer(layer, Look(kind=SHARE))
    items = renderer.shader().rasterShaderFunction().colorRampItemList()
    assert (renderer.classificationMin(), renderer.classificationMax()) == (0, 1)
    assert (items[0].label, items[-1].label) == ("0% (invented)", "100% (supported)")
    assert items[0].color.red() > items[0].color.blue() and items[-1].color.blue() > items[-1].color.red()
    spread = make_renderer(layer, Look("mm", kind=SPREAD))
    assert spread.classificationMin() == 0 and spread.classificationMax() == pytest.approx(0.6, abs=0.01)
    assert spread.shader().rasterShaderFunction().colorRampItemList()[0].label == "0 mm"
    empty = QgsRasterLayer(write_raster("empty.tif", numpy.full((4, 4), -9999.0)))
    assert make_renderer(empty, Look(kind=SHARE)) is None


def test_quantiles_show_the_middle_one():
    request = {"ensemble": {"members": 5, "levels": [0.9, 0.45, 0.1]}}
    assert ensemble.look_of("OUTPUT_QUANTILES", Look("mm"), request).band == 2
    assert ensemble.look_of("OUTPUT_MEMBERS", Look("mm"), request) == Look("mm")


def test_a_designer_model_takes_one_of_the_files(noisy_provider, parameters, tmp_path, feedback):
    source = QgsProcessingModelChildParameterSource
    model = QgsProcessingModelAlgorithm("support", "msr test")
    child = QgsProcessingModelChildAlgorithm("msr:noisyrain")
    child.setChildId("drawn")
    child.addParameterSources("MEMBERS", [source.fromStaticValue(3)])
    for name in ("TARGET", "SOURCE_ELEVATION"):
        model.addModelParameter(
            QgsProcessingParameterRasterLayer(name, name), QgsProcessingModelParameter(name)
        )
        child.addParameterSources(name, [source.fromModelParameter(name)])
    output = QgsProcessingModelOutput("SHARE", "SHARE")
    output.setChildOutputName("OUTPUT_SUPPORT")
    output.setChildId("drawn")
    child.setModelOutputs({"SHARE": output})
    model.addChildAlgorithm(child)
    model.updateDestinationParameters()
    share = str(tmp_path / "out" / "share.tif")
    inputs = {name: parameters[name] for name in ("TARGET", "SOURCE_ELEVATION")}
    results, fine = model.run({**inputs, "drawn:SHARE": share}, QgsProcessingContext(), feedback)
    assert fine, feedback.said["error"]
    assert read_bands(share).shape == (1, 40, 48)
    assert set(results["CHILD_RESULTS"]["drawn"]) & set(FILES) == {"OUTPUT_SUPPORT"}
