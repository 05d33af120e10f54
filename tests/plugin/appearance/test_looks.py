"""What is seen of a result: its name, colours and legend, the coarse layer beside it, a style that stays."""

from __future__ import annotations

import re

import numpy
import pytest
from qgis.core import (
    QgsLayerTreeLayer,
    QgsLayerTreeModel,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingUtils,
    QgsProject,
    QgsRasterLayer,
)

from msr_plugin.algorithms.result_looks import look_of_file, with_subject
from msr_plugin.appearance.layer_names import Naming, cell_size, date_words
from msr_plugin.appearance.round_values import round_values, share_of
from msr_plugin.appearance.style import SPREAD, Look, ResultStyler
from msr_plugin.appearance.units import readable, readable_sentence
from msr_plugin.compat import ADVANCED

RAMP = numpy.linspace(0, 1, 64).reshape(8, 8)


@pytest.mark.parametrize(
    ("low", "high", "transform", "expected"),
    [
        (0, 183, "log1p", [0, 1, 2, 5, 10, 20, 50, 100, 200]),
        (12, 83, "log1p", [10, 20, 50, 100]),
        (0, 1.9, "log1p", [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]),
        (-3.2, 17.9, "identity", [-5, 0, 5, 10, 15, 20]),
        (271, 299, "identity", [270, 275, 280, 285, 290, 295, 300]),
        (0, 3.1, "cuberoot", [0, 0.25, 0.5, 0.75, 1.25, 2, 3, 3.25]),
        (5, 5.005, "identity", [5, 5.001, 5.002, 5.003, 5.004, 5.005]),
        (-1e-9, 1e-9, "identity", [-1e-9, -5e-10, 0, 5e-10, 1e-9]),
    ],
)
def test_a_legend_has_round_numbers_that_span_the_values(low, high, transform, expected):
    assert round_values(low, high, transform) == pytest.approx(expected)


@pytest.mark.parametrize("transform", ["identity", "log1p", "cuberoot"])
def test_colours_lie_where_the_transform_has_the_values(transform):
    shares = [share_of(value, 0.0, 100.0, transform) for value in (0.0, 10.0, 100.0)]
    assert shares[0] == 0 and shares[2] == 1
    assert shares[1] == pytest.approx(
        {"identity": 0.1, "log1p": 0.5196, "cuberoot": 0.4642}[transform], abs=1e-4
    )


def test_units_dates_and_cells_in_words(write_raster):
    assert [readable(u) for u in ("degC", "mm", "1", "m3 m-3")] == ["°C", "mm", "", "m³ m-3"]
    words = [date_words(d) for d in ("--11", "2018-11", "2018-11-05", "2018", "2018-11-05T06:00")]
    assert words == ["November", "November 2018", "2018-11-05", "2018", "2018-11-05T06:00"]
    assert cell_size(QgsRasterLayer(write_raster("a.tif", RAMP, resolution=0.25))) == "0.25°"
    assert cell_size(QgsRasterLayer(write_raster("b.tif", RAMP, resolution=500, epsg=32632))) == "500 m"
    assert cell_size(QgsRasterLayer(write_raster("c.tif", RAMP, resolution=16000, epsg=3035))) == "16 km"


def test_months_are_said_in_the_language_of_qgis(monkeypatch):
    monkeypatch.setattr("msr_plugin.appearance.layer_names.language", lambda: "de_DE")
    assert [date_words(date) for date in ("2021-03", "--05")] == ["März 2021", "Mai"]


def styled(layer: QgsRasterLayer, look: Look, project: QgsProject | None = None) -> QgsRasterLayer:
    context = QgsProcessingContext()
    context.setProject(project or QgsProject())
    ResultStyler(look).postProcessLayer(layer, context, QgsProcessingFeedback())
    return layer


def test_a_layer_is_named_by_what_it_holds_unless_somebody_named_it(write_raster):
    path = write_raster("fine.tif", RAMP, resolution=0.25)
    naming = Naming("Finer raster", "Rain", "rainitur8")
    named = [
        styled(QgsRasterLayer(path, name), Look(dates=dates, naming=own)).name()
        for name, dates, own in (
            ("Finer raster", ("--11",), naming),
            ("Finer raster", (), naming),
            ("Spread", (), Naming("Spread", "Rain", "rainitur8", "spread")),
            ("My rain", ("--11",), naming),
        )
    ]
    assert named == [
        "Rain, November, 0.25° (rainitur8)",
        "Rain, 0.25° (rainitur8)",
        "Rain, 0.25° (rainitur8) spread",
        "My rain",
    ]


def test_a_result_is_named_after_the_coarse_layer_that_a_form_hands_on_as_a_path(write_raster):
    path = write_raster("tas_2018.tif", RAMP)
    project, request = QgsProject(), {"target": {"path": path}}
    assert with_subject(Look(), request, project).subject == "Finer: tas_2018"
    project.addMapLayer(QgsRasterLayer(path, "Temperature of Iberia"))
    assert with_subject(Look(), request, project).subject == "Finer: Temperature of Iberia"
    assert with_subject(Look(subject="Rain"), request, project).subject == "Rain"
    assert with_subject(Look(), request, None).subject == "Finer: tas_2018"


def test_a_simple_methods_result_is_coloured_by_the_units_that_the_engine_tells(provider):
    algorithm = provider.algorithm("sharpen").create()
    request = {"target": {"path": "t.tif"}, "model": "sharpen"}
    told = {"units": "degC", "nonnegative": False}
    assert look_of_file(algorithm, "OUTPUT", Look(), request, told).units == "degC"
    rain = look_of_file(algorithm, "OUTPUT", Look(), request, {"units": "mm", "nonnegative": True})
    assert (rain.units, rain.lower_bound) == ("mm", 0.0)
    assert look_of_file(algorithm, "OUTPUT_SUPPORT", Look(), request, told).units == ""
    kept = look_of_file(algorithm, "OUTPUT", Look("m", lower_bound=0.0), request, told)
    assert (kept.units, kept.lower_bound) == ("m", 0.0)


def legend(layer: QgsRasterLayer) -> list[str]:
    project = QgsProject()
    project.addMapLayer(layer)
    model = QgsLayerTreeModel(project.layerTreeRoot())
    node = next(n for n in project.layerTreeRoot().children() if isinstance(n, QgsLayerTreeLayer))
    return [entry.data(0) for entry in model.layerLegendNodes(node) if entry.data(0)]


def test_the_legend_says_units_and_that_a_scale_is_logarithmic(write_raster):
    path = write_raster("fine.tif", 180 * RAMP)
    told = legend(styled(QgsRasterLayer(path, "a"), Look("mm", "log1p", 0.0)))
    assert [text for text in told if text.endswith(" mm")][:3] == ["0 mm", "1 mm", "2 mm"]
    assert told[-1] == "200 mm (logarithmic scale)"
    assert "20 °C" in legend(styled(QgsRasterLayer(write_raster("t.tif", 40 * RAMP - 20), "t"), Look("degC")))


@pytest.mark.parametrize(
    ("values", "look", "cold", "warm"),
    [
        (40 * RAMP - 20, Look("degC"), "b", "r"),
        (RAMP, Look("mm", lower_bound=0.0), None, "b"),
        (2 * RAMP - 1, Look("m"), "b", "r"),
        (RAMP, Look("mm", kind=SPREAD), None, "b"),
    ],
)
def test_colours_fit_the_quantity(write_raster, values, look, cold, warm):
    layer = styled(QgsRasterLayer(write_raster("v.tif", values), "v"), look)
    items = layer.renderer().shader().rasterShaderFunction().colorRampItemList()

    def strongest(colour):
        return "r" if colour.red() > colour.blue() else "b"

    assert strongest(items[-1].color) == warm
    assert cold is None or strongest(items[0].color) == cold


def test_the_coarse_layer_takes_the_colours_where_it_is_asked_for(write_raster):
    coarse, fine = write_raster("coarse.tif", 5 * RAMP), write_raster("fine.tif", 9 * RAMP)
    project = QgsProject()
    layer = QgsRasterLayer(coarse, "coarse")
    project.addMapLayer(layer)
    before = layer.renderer().type()
    styled(QgsRasterLayer(fine, "fine"), Look(), project)
    assert layer.renderer().type() == before
    made = styled(QgsRasterLayer(fine, "fine"), Look(coarse=coarse), project)
    assert layer.renderer().classificationMax() == made.renderer().classificationMax() == 10


def test_the_style_stays_beside_a_file_that_stays(write_raster, tmp_path):
    style = tmp_path / "fine.qml"
    path = write_raster("fine.tif", RAMP)
    styled(QgsRasterLayer(path, "fine"), Look("mm"))
    assert "singlebandpseudocolor" in style.read_text()
    style.write_text("mine")
    styled(QgsRasterLayer(path, "fine"), Look("mm"))
    assert style.read_text() == "mine"
    folder = QgsProcessingUtils.tempFolder()
    import shutil

    temporary = f"{folder}/fine.tif"
    shutil.copy(path, temporary)
    styled(QgsRasterLayer(temporary, "fine"), Look("mm"))
    assert not (tmp_path / folder / "fine.qml").exists()


def test_no_dialog_asks_for_more_than_eight_things_at_once(provider):
    shown = {
        algorithm.name(): [d.name() for d in algorithm.parameterDefinitions() if not d.flags() & ADVANCED]
        for algorithm in provider.algorithms()
    }
    assert {name: names for name, names in shown.items() if len(names) > 8} == {}
    assert {"TARGET", "SOURCE_ELEVATION", "OUTPUT"} <= set(shown["snow16km"])


OTHERS = ("prepare", "train", "evaluate", "ablate")  # of training, with texts of their own


def test_the_help_of_a_parameter_is_two_sentences_at_most(noisy_provider):
    long = {}
    for algorithm in noisy_provider.algorithms():
        for name, text in algorithm.texts().items() if algorithm.name() not in OTHERS else ():
            sentences = re.findall(r"[.!?](?:\s|$)", text)
            if name and (len(sentences) > 2 or len(text) > 240):
                long[algorithm.name(), name] = text
    assert long == {}


def test_degrees_are_written_as_people_write_them(provider):
    told = "target: degC; 3 cells of it are -80 degC: give target.units=degC where it is in K."
    assert readable_sentence(told) == (
        "target: °C; 3 cells of it are -80 °C: give target.units=degC where it is in K."
    )
    labels = [d.description() for a in provider.algorithms() for d in a.parameterDefinitions()]
    assert "Air temperature [°C]" in labels
    shown = [a.shortHelpString() for a in provider.algorithms() if a.name() not in OTHERS]
    assert not any("degC" in text for text in (*labels, *shown))
