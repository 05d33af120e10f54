"""“Compare methods on my raster”: the form, what the engine tells, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from qgis.core import QgsProcessingContext, QgsProcessingException, QgsRasterLayer


@pytest.fixture
def asked(hills, write_raster, read_raster, tmp_path):
    """Parameters: a coarse field that follows the ground, its truth, and every file that there can be."""
    ground = hills["COVARIATES"][0]
    truth = write_raster("truth.tif", 15 - read_raster(ground), 0.0, 50.0, 0.1, units="degC")
    names = {"OUTPUT_HTML": "page.html", "OUTPUT_TABLE": "table.csv"}
    names |= {"OUTPUT_DIFFERENCES": "up.tif", "OUTPUT_TRUTH_DIFFERENCES": "truth_differences.tif"}
    files = {name: str(tmp_path / file) for name, file in names.items()}
    return {"TARGET": hills["TARGET"], "COVARIATES": hills["COVARIATES"], "TRUTH": truth, **files}


def run(parameters, feedback=None):
    """Run it as scripts do."""
    import processing

    return processing.run("msr:comparemethods", parameters, feedback=feedback)


def rows(result):
    """Return the table's rows."""
    with open(result["OUTPUT_TABLE"], encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_it_tells_the_best_method_at_both_levels(provider, asked, feedback):
    result = run(asked, feedback)
    assert result["BEST_TRUTH"] == "sharpen" and 0 < result["RATIO_TRUTH"] < 0.5
    assert result["BEST_UP"] and 0 < result["RATIO_UP"] <= 1
    table = rows(result)
    assert {row["level"] for row in table} == {"up", "truth"}
    best = next(row for row in table if row["level"] == "truth")
    assert best["method"] == "sharpen"
    assert float(best["ratio_to_bicubicsmooth"]) == pytest.approx(result["RATIO_TRUTH"], rel=1e-4)
    page = Path(result["OUTPUT_HTML"]).read_text(encoding="utf-8")
    assert "What this cannot tell" in page and "One level up is not the level asked for" in page
    assert any("One level up is not the level asked for" in text for text in feedback.said["info"])


def test_the_differences_are_rasters_with_a_band_for_each_method(provider, asked):
    result = run(asked)
    methods = [row["method"] for row in rows(result) if row["level"] == "up"]
    layer = QgsRasterLayer(result["OUTPUT_DIFFERENCES"])
    assert layer.bandCount() == len(methods) and (layer.width(), layer.height()) == (30, 30)  # whole 3 × 3
    fine = QgsRasterLayer(result["OUTPUT_TRUTH_DIFFERENCES"])
    assert (fine.width(), fine.height()) == (128, 128)


def test_a_factor_and_the_raster_alone_are_enough(provider, asked, tmp_path):
    result = run({"TARGET": asked["TARGET"], "FACTOR": 4, "OUTPUT_TABLE": asked["OUTPUT_TABLE"]})
    assert {row["level"] for row in rows(result)} == {"up"}
    assert result["BEST_TRUTH"] is None
    assert not any(result.get(name) for name in ("OUTPUT_HTML", "OUTPUT_DIFFERENCES"))


def test_a_cancel_leaves_no_file(provider, asked, feedback, tmp_path):
    before = set(tmp_path.iterdir())
    feedback.when_told = lambda kind, text: feedback.cancel() if text.startswith("Comparing") else None
    result = run(asked, feedback)
    assert not any(result.get(name) for name in ("OUTPUT_HTML", "OUTPUT_TABLE", "OUTPUT_DIFFERENCES"))
    assert "Cancelled." in feedback.said["info"]
    left = {path for path in tmp_path.iterdir() if not path.name.endswith(".aux.xml")}  # QGIS' own
    assert left == before


def test_elevation_is_given_by_name_and_counts_once(provider, asked):
    ground = asked["COVARIATES"][0]
    result = run({**asked, "ELEVATION": ground, "METHODS": "elevationregression, sharpen"})
    methods = {row["method"] for row in rows(result)}
    assert {"elevationregression", "sharpen", "bicubicsmooth"} <= methods and "bilinear" not in methods
    algorithm = provider.algorithm("comparemethods").create()
    sources = algorithm.sources_of({**asked, "ELEVATION": ground}, QgsProcessingContext())
    assert list(sources) == ["elevation"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"TRUTH": None, "OUTPUT_TRUTH_DIFFERENCES": None}, ["(FACTOR) is missing", "(TRUTH)"]),
        ({"TRUTH": None, "FACTOR": 4}, ["(OUTPUT_TRUTH_DIFFERENCES) needs", "(TRUTH)"]),
        ({"OUTPUT_TABLE": "/nowhere/t.csv"}, ["(OUTPUT_TABLE)", "does not exist"]),
        ({"OUTPUT_HTML": "/tmp/p.csv"}, ["(OUTPUT_HTML)", ".html"]),
        ({"METHODS": "magic"}, ["(METHODS)", "no method magic"]),
        ({"TARGET": None}, ["(TARGET) is missing"]),
        ({"TRUTH": "target"}, ["(TRUTH)", "same raster"]),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(provider, asked, change, words):
    change = {name: asked["TARGET"] if value == "target" else value for name, value in change.items()}
    with pytest.raises(QgsProcessingException) as refused:
        run({**asked, **change})
    assert all(word in str(refused.value) for word in words), str(refused.value)
