"""Runs with the real worker: toolbox, PyQGIS script, batch, Model Designer; errors, cancel, death."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterRasterLayer,
    QgsProject,
    QgsRasterLayer,
)

from msr_plugin.worker.engine_service import SERVICE


def run(identity, parameters, feedback=None):
    """Run an algorithm as scripts do."""
    import processing

    return processing.run(identity, parameters, feedback=feedback)


def model_parameters(rasters, output, **more):
    """Parameters of the tiny model."""
    return {
        "TARGET": rasters["target"],
        "SOURCE_ELEVATION": rasters["elevation"],
        "CONSERVATION": 1,
        "OUTPUT": str(output),
        **more,
    }


def block_means(fine, factor):
    rows, columns = fine.shape
    return fine.reshape(rows // factor, factor, columns // factor, factor).mean((1, 3))


def test_a_model_runs_and_keeps_the_coarse_means(provider, rasters, tmp_path, read_raster, feedback):
    output = tmp_path / "fine.tif"
    result = run("msr:tinyrain", model_parameters(rasters, output), feedback)
    fine, coarse = read_raster(output), read_raster(rasters["target"])
    assert fine.shape == (40, 48)
    assert fine.min() >= 0
    numpy.testing.assert_allclose(block_means(fine, 4), coarse, rtol=1e-5)
    assert result["OUTPUT"] == str(output)
    assert result["RESIDUAL"] == pytest.approx(abs(block_means(fine, 4) - coarse).max(), abs=1e-4)
    assert result["COVERED"] == 1
    assert result["TILES"] >= 1
    assert 0 <= result["OUTSIDE_RANGE"] <= 1
    assert result["SECONDS"] > 0
    assert any(text.startswith("elevation:") for text in feedback.said["info"])
    assert len(feedback.said["phase"]) >= 2
    assert feedback.progress() == 100


def test_a_mask_says_of_which_cells_the_coarse_values_speak(
    provider, rasters, write_raster, tmp_path, read_raster, feedback
):
    coarse = read_raster(rasters["target"])
    inside = numpy.random.default_rng(1).random((coarse.shape[0] * 4, coarse.shape[1] * 4)) > 0.4
    mask = write_raster("mask.tif", inside, resolution=0.25)
    output = tmp_path / "fine.tif"
    result = run("msr:tinyrain", model_parameters(rasters, output, DOMAIN=mask), feedback)
    fine = read_raster(output)
    numpy.testing.assert_array_equal(numpy.isfinite(fine), inside)
    blocks = numpy.where(inside, fine, numpy.nan).reshape(coarse.shape[0], 4, coarse.shape[1], 4)
    numpy.testing.assert_allclose(numpy.nanmean(blocks, (1, 3)), coarse, rtol=1e-5)
    assert result["COVERED"] == pytest.approx(inside.mean())
    assert any(text.startswith("domain:") for text in feedback.said["info"])
    nothing = write_raster("nothing.tif", 0 * inside, resolution=0.25)
    with pytest.raises(QgsProcessingException, match=r"Domain \(DOMAIN\): .*marks no cell"):
        run("msr:tinyrain", model_parameters(rasters, output, DOMAIN=nothing))


def test_an_optional_source_and_its_band_change_the_result(provider, rasters, tmp_path, read_raster):
    fields = []
    for number, more in enumerate(
        (
            {},
            {"SOURCE_TEMPERATURE": rasters["temperature"], "SOURCE_TEMPERATURE_BAND": 1},
            {"SOURCE_TEMPERATURE": rasters["temperature"], "SOURCE_TEMPERATURE_BAND": 2},
        )
    ):
        output = tmp_path / f"{number}.tif"
        run("msr:tinyrain", model_parameters(rasters, output, **more))
        fields.append(read_raster(output))
    assert abs(fields[0] - fields[1]).max() > 1e-4
    assert abs(fields[1] - fields[2]).max() > 1e-4


def test_the_generic_algorithm_gives_the_same_as_the_models_own(
    provider, tiny_model, rasters, tmp_path, read_raster
):
    lines = f"elevation={rasters['elevation']}\n\ntemperature = {rasters['temperature']}#2\n"
    common = {"TARGET": rasters["target"], "CONSERVATION": 1}
    by_folder = {"MODEL": str(tiny_model), "SOURCES": lines, "OUTPUT": str(tmp_path / "a.tif")}
    run("msr:superresolve", {**common, **by_folder})
    by_id = {"MODEL": "tinyrain", "SOURCES": lines.splitlines(), "OUTPUT": str(tmp_path / "b.tif")}
    run("msr:superresolve", {**common, **by_id})
    own = {"SOURCE_TEMPERATURE": rasters["temperature"], "SOURCE_TEMPERATURE_BAND": 2}
    run("msr:tinyrain", model_parameters(rasters, tmp_path / "c.tif", **own))
    for name in ("b.tif", "c.tif"):
        numpy.testing.assert_array_equal(read_raster(tmp_path / "a.tif"), read_raster(tmp_path / name))


def test_a_cascade_runs_and_says_what_it_assumes(
    provider, make_model, rasters, tmp_path, read_raster, monkeypatch
):
    folder = make_model(tmp_path / "models", "tinycascade", "Rain in steps", "cascade")
    monkeypatch.setenv("MSR_MODELS", str(folder.parent))
    provider.refreshAlgorithms()
    assert "alike at every scale" in provider.algorithm("tinycascade").shortHelpString()
    output, page = tmp_path / "fine.tif", tmp_path / "card.html"
    run("msr:tinycascade", model_parameters(rasters, output))
    numpy.testing.assert_allclose(
        block_means(read_raster(output), 4), read_raster(rasters["target"]), rtol=1e-5
    )
    run("msr:modelinfo", {"MODEL": "tinycascade", "OUTPUT": str(page)})
    assert "alike at every scale" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("method", ["bilinear", "bicubic"])
def test_a_baseline_runs(provider, rasters, tmp_path, read_raster, method):
    output = tmp_path / "fine.tif"
    parameters = {"TARGET": rasters["target"], "METHOD": method, "FACTOR": 5, "CONSERVATION": 1}
    result = run("msr:baseline", {**parameters, "OUTPUT": str(output)})
    fine = read_raster(output)
    assert fine.shape == (50, 60)
    numpy.testing.assert_allclose(block_means(fine, 5), read_raster(rasters["target"]), rtol=1e-5)
    assert result["RESIDUAL"] < 1e-3


def test_the_climatology_ratio_keeps_the_climatologys_pattern(
    provider, rasters, write_raster, tmp_path, read_raster
):
    random = numpy.random.default_rng(5)
    climatology = write_raster("clim.tif", random.gamma(2, 4, (12, 20, 24)), resolution=0.5, units="mm")
    output = tmp_path / "fine.tif"
    parameters = {"TARGET": rasters["target"], "METHOD": "climatologyratio", "FACTOR": 2, "DATE": "11"}
    run("msr:baseline", {**parameters, "CLIMATOLOGY": climatology, "OUTPUT": str(output)})
    fine = read_raster(output)
    numpy.testing.assert_allclose(block_means(fine, 2), read_raster(rasters["target"]), rtol=1e-4)


def test_the_elevation_regression_runs(provider, rasters, tmp_path, read_raster):
    output = tmp_path / "fine.tif"
    parameters = {"TARGET": rasters["target"], "METHOD": "elevationregression", "FACTOR": 4}
    run("msr:baseline", {**parameters, "ELEVATION": rasters["elevation"], "OUTPUT": str(output)})
    fine = read_raster(output)
    numpy.testing.assert_allclose(block_means(fine, 4), read_raster(rasters["target"]), rtol=1e-4)


def test_sharpening_takes_what_is_given(provider, rasters, write_raster, tmp_path, read_raster):
    output = tmp_path / "fine.tif"
    parameters = {"TARGET": rasters["target"], "METHOD": "sharpen", "FACTOR": 4, "OUTPUT": str(output)}
    run("msr:baseline", {**parameters, "ELEVATION": rasters["elevation"]})
    fine = read_raster(output)
    numpy.testing.assert_allclose(block_means(fine, 4), read_raster(rasters["target"]), rtol=1e-4)
    tags = gdal.Open(str(output)).GetMetadata()
    assert list(json.loads(tags["MSR_SHARPENING"])["covariates"]) == ["elevation"]
    run("msr:baseline", parameters)
    assert json.loads(gdal.Open(str(output)).GetMetadata()["MSR_SHARPENING"])["covariates"] == {}


def test_another_grid_by_extent_resolution_and_crs(provider, rasters, tmp_path):
    output = tmp_path / "fine.tif"
    grid = {"EXTENT": "2,6,42,46 [EPSG:4326]", "RESOLUTION": 0.25}
    run("msr:baseline", {"TARGET": rasters["target"], "FACTOR": 4, **grid, "OUTPUT": str(output)})
    layer = QgsRasterLayer(str(output))
    assert (layer.width(), layer.height()) == (16, 16)
    assert layer.extent().xMinimum() == pytest.approx(2)
    projected = tmp_path / "projected.tif"
    grid = {"CRS": "EPSG:32632", "RESOLUTION": 25000}
    run("msr:baseline", {"TARGET": rasters["target"], "FACTOR": 4, **grid, "OUTPUT": str(projected)})
    assert QgsRasterLayer(str(projected)).crs().authid() == "EPSG:32632"
    like = tmp_path / "like.tif"
    parameters = {"TARGET": rasters["target"], "FACTOR": 4, "REFERENCE": rasters["elevation"]}
    run("msr:baseline", {**parameters, "OUTPUT": str(like)})
    assert QgsRasterLayer(str(like)).extent() == QgsRasterLayer(rasters["elevation"]).extent()


def test_a_layer_of_the_project_and_a_subdataset_will_do(provider, rasters, write_raster, tmp_path):

    layer = QgsRasterLayer(rasters["target"], "Rain of the project")
    QgsProject.instance().addMapLayer(layer)
    try:
        output = tmp_path / "a.tif"
        run("msr:baseline", {"TARGET": layer, "FACTOR": 2, "OUTPUT": str(output)})
        assert output.is_file()
        named = tmp_path / "b.tif"
        run("msr:baseline", {"TARGET": "Rain of the project", "FACTOR": 2, "OUTPUT": str(named)})
        assert named.is_file()
    finally:
        QgsProject.instance().removeMapLayer(layer.id())
    netcdf = tmp_path / "rain file.nc"
    gdal.Translate(str(netcdf), rasters["target"], format="netCDF")
    subdataset = f'NETCDF:"{netcdf}":Band1'
    result = run("msr:baseline", {"TARGET": subdataset, "FACTOR": 2, "OUTPUT": str(tmp_path / "c.tif")})
    assert result["COVERED"] == 1


def test_a_layer_is_taken_in_the_crs_that_the_user_gave_it(provider, rasters, write_raster, tmp_path):
    bare = QgsRasterLayer(write_raster("bare.tif", numpy.ones((3, 4)), epsg=None))
    bare.setCrs(QgsCoordinateReferenceSystem("EPSG:3035"))
    output = tmp_path / "fine.tif"
    run("msr:baseline", {"TARGET": bare, "METHOD": "bilinear", "FACTOR": 2, "OUTPUT": str(output)})
    assert QgsRasterLayer(str(output)).crs().authid() == "EPSG:3035"


def test_a_temporary_output_is_styled_when_it_is_loaded(provider, rasters):
    import processing

    project, context = QgsProject(), QgsProcessingContext()
    context.setProject(project)
    parameters = model_parameters(rasters, "TEMPORARY_OUTPUT")
    result = processing.run("msr:tinyrain", parameters, context=context)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("msr:tinyrain")
    from msr_plugin.algorithms.installed_model import look_of
    from msr_plugin.appearance.style import ResultStyler

    layer = QgsRasterLayer(result["OUTPUT"])
    ResultStyler(look_of(algorithm.card)).postProcessLayer(layer, context, None)
    renderer = layer.renderer()
    assert renderer.type() == "singlebandpseudocolor"
    items = renderer.shader().rasterShaderFunction().colorRampItemList()
    assert items[0].value == pytest.approx(renderer.classificationMin())
    assert items[-2].label.endswith("mm") and items[-1].label.endswith("mm (logarithmic scale)")
    steps = numpy.diff([item.value for item in items])
    assert steps[0] < steps[-1]  # spread like the target's logarithm


def test_in_a_batch_a_failing_row_does_not_stop_the_others(
    provider, qgis_iface, rasters, write_raster, tmp_path, read_raster, monkeypatch
):
    from processing.gui import BatchAlgorithmDialog as module

    # Its entry in the task manager would wait for an event loop at the end of the tests.
    entry = SimpleNamespace(setProgress=lambda value: None)
    if not hasattr(module, "QgsScopedProxyProgressTask"):
        pytest.skip("the batch dialog of this QGIS runs in an event loop alone")
    monkeypatch.setattr(module, "QgsScopedProxyProgressTask", lambda name: entry)
    damaged = write_raster("damaged.tif", numpy.ones((10, 12)))
    os.truncate(damaged, os.path.getsize(damaged) - 300)  # its header is whole
    rows = [
        model_parameters({**rasters, "target": target}, tmp_path / f"row{number}.tif")
        for number, target in enumerate((rasters["target"], damaged, rasters["target"]))
    ]
    dialog = module.BatchAlgorithmDialog(provider.algorithm("tinyrain").create())
    panel = dialog.mainWidget()
    panel.batchRowCount = lambda: len(rows)
    panel.parametersForRow = lambda row, **_: (rows[row], True)
    ended = []
    dialog.finish = lambda results, errors: ended.extend((results, errors))
    dialog.runAlgorithm()
    results, errors = ended
    assert [row["parameters"]["OUTPUT"] for row in results] == [rows[0]["OUTPUT"], rows[2]["OUTPUT"]]
    assert [row["parameters"]["OUTPUT"] for row in errors] == [rows[1]["OUTPUT"]]
    assert "damaged.tif" in "".join(errors[0]["errors"])
    assert [Path(row["OUTPUT"]).is_file() for row in rows] == [True, False, True]
    numpy.testing.assert_array_equal(read_raster(rows[0]["OUTPUT"]), read_raster(rows[2]["OUTPUT"]))


def chained_model(rasters):
    """A model: the tiny model, then native:rescaleraster on its output."""
    model = QgsProcessingModelAlgorithm("chain", "tests")
    parameter = QgsProcessingParameterRasterLayer("TARGET", "Target")
    model.addModelParameter(parameter, QgsProcessingModelParameter("TARGET"))
    parameter = QgsProcessingParameterRasterLayer("DEM", "Elevation")
    model.addModelParameter(parameter, QgsProcessingModelParameter("DEM"))
    source = QgsProcessingModelChildParameterSource
    finer = QgsProcessingModelChildAlgorithm("msr:tinyrain")
    finer.setChildId("finer")
    finer.addParameterSources("TARGET", [source.fromModelParameter("TARGET")])
    finer.addParameterSources("SOURCE_ELEVATION", [source.fromModelParameter("DEM")])
    model.addChildAlgorithm(finer)
    after = QgsProcessingModelChildAlgorithm("native:rescaleraster")
    after.setChildId("after")
    after.addParameterSources("INPUT", [source.fromChildOutput("finer", "OUTPUT")])
    after.addParameterSources("MINIMUM", [source.fromStaticValue(0)])
    after.addParameterSources("MAXIMUM", [source.fromChildOutput("finer", "TILES")])
    output = QgsProcessingModelOutput("RESULT", "RESULT")
    output.setChildOutputName("OUTPUT")
    output.setChildId("after")
    after.setModelOutputs({"RESULT": output})
    model.addChildAlgorithm(after)
    model.updateDestinationParameters()
    return model


def test_a_designer_model_chains_it_with_a_native_algorithm(
    provider, rasters, tmp_path, read_raster, feedback
):
    model = chained_model(rasters)
    path = str(tmp_path / "chain.model3")
    assert model.toFile(path)
    loaded = QgsProcessingModelAlgorithm()
    assert loaded.fromFile(path)
    output = tmp_path / "chained.tif"
    parameters = {"TARGET": rasters["target"], "DEM": rasters["elevation"], "after:RESULT": str(output)}
    _, fine = loaded.run(parameters, QgsProcessingContext(), feedback)
    assert fine, feedback.said["error"]
    assert read_raster(str(output)).shape == (40, 48)


class TestThread:
    """Runs on a background thread, as the dialogs do, while the main thread goes on."""

    @staticmethod
    def start(identity, parameters, feedback):
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(identity)
        context = QgsProcessingContext()
        task = QgsProcessingAlgRunnerTask(algorithm, parameters, context, feedback)
        done = {}
        task.executed.connect(lambda fine, results: done.update(fine=fine, results=results))
        task.context = context  # must live as long as the task
        QgsApplication.taskManager().addTask(task)
        return task, done

    @staticmethod
    def wait(done, seconds=60):
        end = time.monotonic() + seconds
        while not done and time.monotonic() < end:
            QgsApplication.processEvents()
            time.sleep(0.01)
        QgsApplication.processEvents()
        return done

    def test_it_runs_while_the_main_thread_goes_on(self, provider, rasters, tmp_path, feedback):
        output = tmp_path / "fine.tif"
        threads = set()
        feedback.when_told = lambda kind, text: threads.add(threading.get_ident())
        _task, done = self.start("msr:tinyrain", model_parameters(rasters, output), feedback)
        assert self.wait(done)["fine"]
        assert output.is_file()
        assert threads and threading.get_ident() not in threads

    def test_two_at_once_both_end_well(self, provider, rasters, tmp_path, read_raster):
        from qgis.core import QgsProcessingFeedback

        feedbacks = [QgsProcessingFeedback(False), QgsProcessingFeedback(False)]
        runs = [
            self.start("msr:tinyrain", model_parameters(rasters, tmp_path / f"{n}.tif"), f)
            for n, f in enumerate(feedbacks)
        ]
        for _, done in runs:
            assert self.wait(done)["fine"]
        numpy.testing.assert_array_equal(read_raster(tmp_path / "0.tif"), read_raster(tmp_path / "1.tif"))


def test_a_hostile_environment_around_qgis_does_not_reach_the_engine(
    provider, rasters, tmp_path, monkeypatch, read_raster
):
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for module in ("numpy", "torch", "json", "rasterio", "sitecustomize"):
        (hostile / f"{module}.py").write_text("raise SystemExit('hostile')")
    (hostile / "proj.db").write_text("not a database")
    for name in ("PYTHONPATH", "PROJ_DATA", "PROJ_LIB", "GDAL_DATA", "LD_LIBRARY_PATH", "GDAL_DRIVER_PATH"):
        monkeypatch.setenv(name, str(hostile))
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    SERVICE.stop()
    output = tmp_path / "fine.tif"
    grid = {"CRS": "EPSG:32632", "RESOLUTION": 25000}  # so that PROJ has work to do
    run("msr:baseline", {"TARGET": rasters["target"], "FACTOR": 4, **grid, "OUTPUT": str(output)})
    assert numpy.isfinite(read_raster(output)).any()


def test_what_was_understood_is_told_before_the_first_tile(provider, rasters, tmp_path, feedback):
    told = []
    feedback.when_told = lambda kind, text: told.append((kind, text))
    run("msr:tinyrain", model_parameters(rasters, tmp_path / "fine.tif"), feedback)
    before = told[: told.index(("phase", "Loading the model"))]
    lines = [text for kind, text in before if kind == "info" and "covers about 100%" in text]
    assert [line.split(":")[0] for line in lines] == ["target", "elevation"]
    assert "mm" in lines[0] and "12 × 10" in lines[0].replace("x", "×")
