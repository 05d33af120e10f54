"""“Make my raster finer” as a step of a model, and row by row of a batch."""

from __future__ import annotations

import pytest
from qgis.core import (
    QgsProcessingContext,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterRasterLayer,
)


@pytest.fixture
def model(provider):
    """A model with two rasters and one step, which leaves its result as `fine` and its page as `page`."""
    made = QgsProcessingModelAlgorithm("finer", "tests")
    for name in ("coarse", "ground"):
        made.addModelParameter(
            QgsProcessingParameterRasterLayer(name, name), QgsProcessingModelParameter(name)
        )
    step = QgsProcessingModelChildAlgorithm("msr:sharpen")
    step.setChildId("sharpen")
    source = QgsProcessingModelChildParameterSource
    step.addParameterSources("TARGET", [source.fromModelParameter("coarse")])
    step.addParameterSources("COVARIATES", [source.fromModelParameter("ground")])
    outputs = {}
    for name, output in (("fine", "OUTPUT"), ("page", "OUTPUT_HTML")):
        outputs[name] = QgsProcessingModelOutput(name)
        outputs[name].setChildId("sharpen")
        outputs[name].setChildOutputName(output)
    step.setModelOutputs(outputs)
    made.addChildAlgorithm(step)
    return made


def test_it_is_a_step_of_a_model(model, hills, feedback, read_raster, tmp_path):
    parameters = {"coarse": hills["TARGET"], "ground": hills["COVARIATES"][0]}
    parameters |= {"sharpen:fine": str(tmp_path / "fine.tif"), "sharpen:page": str(tmp_path / "page.html")}
    context = QgsProcessingContext()
    fine, message = model.checkParameterValues(parameters, context)
    assert fine, message
    results, done = model.run(parameters, context, feedback)
    assert done, feedback.said["error"]
    assert read_raster(results["sharpen:fine"]).shape == (128, 128)
    assert "of the error of smooth interpolation" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_batch_runs_it_row_by_row(provider, hills, feedback, read_raster, tmp_path):
    from processing.gui.AlgorithmExecutor import execute

    algorithm = provider.algorithm("sharpen")
    for number, covariates in enumerate((hills["COVARIATES"], ";".join(hills["COVARIATES"]))):
        row = {**hills, "COVARIATES": covariates, "OUTPUT": str(tmp_path / f"fine{number}.tif")}
        context = QgsProcessingContext()
        fine, message = algorithm.checkParameterValues(row, context)
        assert fine, message
        done, results = execute(algorithm.create(), row, context, feedback)
        assert done, feedback.said["error"]
        assert read_raster(results["OUTPUT"]).shape == (128, 128)
