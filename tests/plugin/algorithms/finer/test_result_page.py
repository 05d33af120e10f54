"""The page after “Make my raster finer”: five lines, a picture, and nothing claimed that is not there."""

from __future__ import annotations

import re
from base64 import b64decode

import numpy
import pytest
from qgis.core import QgsProcessingException
from qgis.PyQt.QtGui import QImage

from msr_plugin.algorithms.finer.result_words import five_lines


def run(parameters):
    """Run it as scripts do."""
    import processing

    return processing.run("msr:sharpen", parameters)


def entries(text: str) -> list[str]:
    """Return the lines of a page's first list."""
    return re.findall(r"<li>(.*?)</li>", text.partition("<ol>")[2].partition("</ol>")[0])


def images(text: str) -> list[QImage]:
    """Return the pictures in a page."""
    return [QImage.fromData(b64decode(code)) for code in re.findall(r"base64,([^\"]+)\"", text)]


def test_a_page_says_in_five_lines_what_came_of_it(provider, hills, tmp_path):
    path = tmp_path / "page.html"
    result = run({**hills, "OUTPUT_HTML": str(path)})
    assert result["OUTPUT_HTML"] == str(path) and result["RESIDUAL"] < 1e-3
    text = path.read_text(encoding="utf-8")
    done, carried, gained, sure, kept = entries(text)
    assert (
        done.startswith("coarse.tif (32 × 32 cells of 0.4° × 0.4°, EPSG:4326)")
        and "was made finer, to 128 × 128 cells" in done
    )
    assert "is carried down from ground (" in carried
    assert re.search(r"About \d+% of the error of smooth interpolation is gone.*°C", gained)
    assert "levels above the coarse cells" in sure
    assert "is the coarse value" in kept


def test_coarse_and_fine_stand_side_by_side_in_the_same_colours(provider, hills, tmp_path):
    path = tmp_path / "page.html"
    run({**hills, "OUTPUT_HTML": str(path)})
    coarse, fine = images(path.read_text(encoding="utf-8"))
    assert coarse.size() == fine.size()

    def colours(image):
        return {image.pixel(x, y) for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}

    assert 20 < len(colours(coarse)) < len(colours(fine))
    mean = [
        sum(image.pixelColor(x, y).red() for x in range(0, 360, 9) for y in range(0, 360, 9)) / 1600
        for image in (coarse, fine)
    ]
    assert mean[0] == pytest.approx(mean[1], abs=8)


def test_where_nothing_is_gained_it_says_so(provider, hills, write_raster, tmp_path):
    noise = write_raster("noise.tif", numpy.random.default_rng(5).normal(size=(128, 128)), 0.0, 50.0, 0.1)
    path = tmp_path / "page.html"
    run({**hills, "COVARIATES": [noise], "OUTPUT_HTML": str(path)})
    _, carried, gained, *_ = entries(path.read_text(encoding="utf-8"))
    assert carried == "No covariate gives detail. Left out: noise (it shows no gain)."
    assert gained.startswith("Nothing is gained over smooth interpolation")


def test_markup_in_a_name_is_text(provider, hills, tmp_path):
    path = tmp_path / "page.html"
    target = tmp_path / "<b>x.tif"
    target.write_bytes((tmp_path / "coarse.tif").read_bytes())
    run({**hills, "TARGET": str(target), "OUTPUT_HTML": str(path)})
    assert "&lt;b&gt;x.tif" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "words"), [("page.tif", ".html"), ("nowhere/page.html", "does not exist")])
def test_a_page_that_cannot_be_is_refused_before_the_run(provider, hills, tmp_path, name, words):
    with pytest.raises(QgsProcessingException, match=words):
        run({**hills, "OUTPUT_HTML": str(tmp_path / name)})
    assert not (tmp_path / "fine.tif").exists()


def learned(ratio, carries=True, levels=3):
    """Return a result as the engine tells it."""
    gain = {"here": {}, "across": [], "below": [0.9, 0.5], "carries": carries}
    expected = {"error": 0.5, "over_interpolation": ratio, "units": "mm"}
    told = {"levels": levels, "dates": 1, "covariates": {"dem": gain}, "expected": expected}
    return {"sharpening": told, "width": 8, "height": 4, "dates": ["2001-01"], "residual_original": 1e-6}


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            learned(0.5),
            ["About 50% of the error", "0.5 mm", "90% of it to cells of half the size, 50% to the finest"],
        ),
        (learned(0.99), ["Hardly anything is gained", "99% of its error"]),
        (learned(1.0, carries=False), ["Nothing is gained"]),
        (learned(None), ["is not known"]),
        (learned(0.5, levels=1), ["One level does not tell"]),
        (learned(1.0, False, levels=0), ["too few cells to learn from"]),
        ({}, ["No covariate was given"]),
    ],
)
def test_what_is_claimed_is_what_the_engine_told(qgis_app, result, words):
    told = five_lines(result, "/data/rain.tif", 1.0)
    assert len(told) == 5
    assert all(any(word in line for line in told) for word in words), told
