"""The sample rasters: they come without a download, into the project, and make a good first run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy
import pytest
from qgis.core import QgsProcessingContext, QgsProcessingException, QgsProject, QgsRasterLayer

NAMES = ("COARSE", "ELEVATION", "GREENNESS", "FINE")


def run(parameters, **more):
    """Run it as scripts do."""
    import processing

    return processing.run("msr:sampledata", parameters, **more)


def test_the_rasters_are_small_and_named_as_simulated(provider, root, tmp_path):
    files = list((root / "resources" / "sample").iterdir())
    assert sum(file.stat().st_size for file in files) < 500_000
    assert all(file.name.startswith("simulated_") and file.suffix == ".tif" for file in files)
    result = run({"FOLDER": str(tmp_path)})
    assert all("nothing was measured" in QgsRasterLayer(result[name]).htmlMetadata() for name in NAMES)


def test_they_are_copied_and_offered_to_the_project(provider, no_engine, tmp_path):
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    result = run({"FOLDER": str(tmp_path / "new" / "sample")}, context=context)
    assert all(QgsRasterLayer(result[name]).isValid() for name in NAMES)
    assert {Path(result[name]).parent for name in NAMES} == {tmp_path / "new" / "sample"}
    assert set(context.layersToLoadOnCompletion()) == {result[name] for name in NAMES}
    titles = [details.name for details in context.layersToLoadOnCompletion().values()]
    assert all("simulated" in title for title in titles)


def test_they_are_not_loaded_where_that_is_not_wanted(provider, tmp_path):
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    run({"FOLDER": str(tmp_path), "LOAD": False}, context=context)
    assert not context.layersToLoadOnCompletion()


def test_a_file_that_is_there_stays(provider, tmp_path):
    own = tmp_path / "simulated_elevation.tif"
    own.write_text("mine")
    run({"FOLDER": str(tmp_path)})
    assert own.read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_a_sentence(provider, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(QgsProcessingException, match="cannot be written to"):
        run({"FOLDER": str(tmp_path / "file" / "sample")})


def test_the_first_run_on_them_is_worth_it(provider, tmp_path):
    import processing
    from osgeo import gdal

    sample = run({"FOLDER": str(tmp_path)})
    page = tmp_path / "page.html"
    result = processing.run(
        "msr:sharpen",
        {
            "TARGET": sample["COARSE"],
            "COVARIATES": [sample["ELEVATION"], sample["GREENNESS"]],
            "OUTPUT": str(tmp_path / "made.tif"),
            "OUTPUT_HTML": str(page),
        },
    )
    made, truth = (gdal.Open(path).ReadAsArray().astype(float) for path in (result["OUTPUT"], sample["FINE"]))
    smooth = numpy.kron(gdal.Open(sample["COARSE"]).ReadAsArray(), numpy.ones((1, 8, 8)))
    assert made.shape == truth.shape
    assert ((made - truth) ** 2).mean() < 0.1 * ((smooth - truth) ** 2).mean()
    told = int(re.search(r"About (\d+)% of the error", page.read_text(encoding="utf-8"))[1])
    assert 40 < told < 80
