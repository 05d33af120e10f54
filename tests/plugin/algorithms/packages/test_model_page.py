"""The page of “Model information”: scores in words, the map of the training region, limits."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from msr_plugin.algorithms.packages.card_page import card_page
from msr_plugin.algorithms.packages.card_scores import own, rounded, score_table, scored, verdict, worth
from msr_plugin.algorithms.packages.region_map import in_words, region_map
from msr_plugin.packages.cards import read_card

HARZ = {"crs": "EPSG:3035", "bounds": [4300000.0, 3150000.0, 4400000.0, 3220000.0]}


@pytest.fixture
def card_with(tiny_model, tmp_path):
    """Return a function that gives the tiny model's card with some fields replaced."""

    def made(**fields):
        folder = tmp_path / "card"
        shutil.copytree(tiny_model, folder, dirs_exist_ok=True)
        card = json.loads((folder / "card.json").read_text())
        card.update(fields)
        (folder / "card.json").write_text(json.dumps(card))
        return read_card(folder)

    return made


METRICS = {
    "bicubicsmooth": {"rmse": 4.0, "bias": 1e-9},
    "elevationregression-conservative": {"rmse": 2.5, "bias": 0.02},
    "tinyrain": {"rmse": 2.0, "crps": 0.9, "bias": -1e-8},
    "tinyrain-without-temperature": {"rmse": 2.2},
    "tinyrain-without-sources": {"rmse": 3.0},
}


def test_scores_have_names_units_and_what_they_are_of_the_models(qgis_app, card_with):
    card = card_with(metrics=METRICS)
    head, first, *rest = score_table(card, scored(card))
    assert head == ["Method", "RMSE [mm]", "Bias [mm]", "CRPS of the ensemble [mm]", "RMSE over the model's"]
    assert first == ["This model", "2.00", "0", "0.9", "1.00"]
    assert [row[0] for row in rest] == [
        "This model without Air temperature",
        "Elevation regression, conserved",
        "This model without any source",
        "Bicubic, smoothly conserved",
    ]
    assert rest[-1] == ["Bicubic, smoothly conserved", "4.00", "0", "–", "2.00"]


def test_the_gain_and_the_worth_of_sources_are_sentences(qgis_app, card_with):
    card = card_with(metrics=METRICS)
    assert verdict(card, scored(card)) == (
        "On data that it had not seen, its RMSE is 2 mm: 0.80 times that of the best simple method, "
        "Elevation regression, conserved, and 0.50 times that of smooth interpolation."
    )
    assert worth(card, scored(card)) == [
        "Without Air temperature its RMSE is 2.2 mm, 1.10 times that with all sources.",
        "Without any source its RMSE is 3 mm, 1.50 times that with all sources.",
    ]
    weak = card_with(metrics={**METRICS, "bilinear": {"rmse": 1.9}})
    assert verdict(weak, scored(weak)).endswith("So it gains nothing over that method there.")


@pytest.mark.parametrize("metrics", [{}, {"a": 1}, {"tinyrain": {}}, {"tinyrain": {"rmse": None}}, [1], "x"])
def test_a_card_without_scores_claims_nothing(qgis_app, card_with, metrics):
    card = card_with(metrics=metrics)
    assert verdict(card, scored(card)) == "" and worth(card, scored(card)) == []
    assert own(card, scored(card)) is None
    assert "How good it is" in card_page(card)


def test_numbers_have_three_digits():
    assert [rounded(n) for n in (1114.7, 4637, 0.08664, 2.0, -42.648)] == [
        "1110",
        "4640",
        "0.0866",
        "2",
        "-42.6",
    ]
    assert [rounded(n, True) for n in (12.0, 8.7, 0.5, 1200.0)] == ["12.0", "8.70", "0.5", "1200"]


class Drawing(HTMLParser):
    """Collects the red box, and how many outlines there are."""

    def __init__(self, svg):
        super().__init__()
        self.outlines, self.box, self.view = 0, {}, []
        self.feed(svg)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.view = [float(n) for n in attributes["viewbox"].split()] if tag == "svg" else self.view
        self.outlines += tag == "path"
        if tag == "rect" and attributes["fill"] == "#c0392b":
            self.box = {key: float(attributes[key]) for key in ("x", "y", "width", "height")}


def test_the_region_lies_where_it_is_on_the_map(qgis_app):
    drawn = Drawing(region_map(HARZ))
    assert drawn.box["x"] == pytest.approx(9.69, abs=0.01)
    assert -drawn.box["y"] == pytest.approx(52.1, abs=0.05)
    left, top, width, height = drawn.view
    assert width == 2 * height == 40
    assert left < drawn.box["x"] < left + width and top < drawn.box["y"] < top + height
    assert drawn.outlines > 10
    assert in_words(HARZ) == "9.69° E to 11.2° E, 51.5° N to 52.1° N"
    world = Drawing(region_map({"crs": "EPSG:4326", "bounds": [-180, -70, 180, 80]}))
    assert world.view == [-180, -90, 360, 180]
    assert world.box == {"x": -180, "y": -80, "width": 360, "height": 150}


def test_without_qgis_map_of_the_world_a_graticule_is_left(qgis_app, monkeypatch):
    from msr_plugin.algorithms.packages import region_map as module

    class Nowhere:
        pkgDataPath = staticmethod(lambda: "/nowhere")

    monkeypatch.setattr(module, "QgsApplication", Nowhere)
    drawn = Drawing(region_map(HARZ))
    assert drawn.outlines == 1 and drawn.box


@pytest.mark.parametrize(
    "region",
    [
        None,
        "here",
        {"bounds": HARZ["bounds"]},
        {"crs": "EPSG:4326", "bounds": [0, 0, "<b>", 1]},
        {"crs": "EPSG:4326", "bounds": [0, 0, 0, 0]},
        {"crs": "EPSG:4326", "bounds": [0, 0, 1e400, 5]},
        {"crs": "<script>", "bounds": [0, 0, 1, 1]},
    ],
)
def test_what_is_no_region_is_not_drawn(qgis_app, region):
    assert region_map(region) == "" == in_words(region)


def test_the_page_tells_limits_units_and_origin(qgis_app, card_with):
    training = {"data": "Gauges", "simulated": True, "region": HARZ, "period": "2001 to 2004"}
    card = card_with(training=training, metrics=METRICS, citation="Somebody 2026")
    text = re.sub(r"<[^>]*>", " ", card_page(card))
    for words in (
        "It learned from simulated data: nothing in them was measured.",
        "In training its values were from 0 to 80 mm.",
        "-40 to 45",
        "°C",
        "Training region: 9.69° E to 11.2° E, 51.5° N to 52.1° N",
        "from 1° to 0.25°: 4 × 4 fine cells",
        "CC0-1.0",
        "Somebody 2026",
        "Gauges",
        "2001 to 2004",
    ):
        assert words in text
    assert "degC" not in text.partition("More of the card")[0]
