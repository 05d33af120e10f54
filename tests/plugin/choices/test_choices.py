"""Choices as dialogs show them: methods and models by name, dates of the raster that is chosen."""

from __future__ import annotations

import numpy
import processing
import pytest
from osgeo import gdal
from qgis.core import QgsProcessingModelAlgorithm, QgsProject, QgsRasterLayer
from qgis.gui import QgsProcessingModelerParameterWidget
from qgis.PyQt.QtWidgets import QComboBox

from msr_plugin.choices.layer_dates import dates_of_layer, span_of
from msr_plugin.compat import ADVANCED
from msr_plugin.method_list import METHODS

MONTHS = ["2018-10", "2018-11", "2018-12", "2019-01"]


@pytest.fixture
def windows(provider, qgis_iface, monkeypatch):
    """Dialogs can be made without a main window."""
    from processing.gui import BatchPanel, ParametersPanel
    from processing.modeler import ModelerParametersDialog

    for module in (BatchPanel, ParametersPanel, ModelerParametersDialog):
        monkeypatch.setattr(module, "iface", None)
    return provider


@pytest.fixture
def dialog(windows):
    """Return a function that opens the real dialog of an algorithm."""
    from processing.gui.AlgorithmDialog import AlgorithmDialog

    opened = []

    def opening(name):
        opened.append(AlgorithmDialog(windows.algorithm(name).create()))
        return opened[-1]

    yield opening
    for each in opened:
        each.close()


def widget(dialog, name):
    return dialog.mainWidget().wrappers[name]


def value(dialog, name):
    return widget(dialog, name).parameterValue()


def items(box):
    return [box.itemText(index) for index in range(box.count())]


def dated(path, dates):
    file = gdal.Open(path, gdal.GA_Update)
    for band, date in enumerate(dates, start=1):
        file.GetRasterBand(band).SetMetadataItem("DATE", date)
    return path


@pytest.fixture
def months(write_raster):
    """A raster of four months."""
    return dated(write_raster("months.tif", numpy.random.default_rng(0).gamma(2, 4, (4, 6, 6))), MONTHS)


def test_methods_are_chosen_by_name_and_passed_by_id(dialog):
    opened = dialog("baseline")
    method = widget(opened, "METHOD")
    assert items(method.box) == [m.title for m in METHODS.values()]
    assert value(opened, "METHOD") == "bicubic"
    method.box.setCurrentIndex(method.box.findText("Lapse rate"))
    assert value(opened, "METHOD") == "lapserate"
    assert "Needs: Elevation" in method.line.text()
    opened.setParameters({"METHOD": "bilinear"})
    assert method.box.currentText() == "Bilinear interpolation"
    assert method.line.text().startswith("Straight lines")


@pytest.mark.parametrize("name", ["superresolve", "modelinfo", "exportmodel", "evaluate"])
def test_models_are_chosen_by_name_or_a_folder_is_typed(dialog, name, tmp_path):
    opened = dialog(name)
    model = widget(opened, "MODEL")
    assert "Rain with elevation (tinyrain)" in items(model.box)
    opened.setParameters({"MODEL": "tinyrain"})
    assert model.box.currentText() == "Rain with elevation (tinyrain)"
    assert value(opened, "MODEL") == "tinyrain"
    model.box.setEditText(str(tmp_path))
    assert value(opened, "MODEL") == str(tmp_path)
    model.box.setEditText("")
    assert not value(opened, "MODEL")


@pytest.mark.parametrize("name", ["baseline", "superresolve", "tinyrain", "sharpen", "comparemethods"])
def test_dates_are_those_of_the_target(dialog, name, months, write_raster):
    opened = dialog(name)
    box = widget(opened, "DATE").box
    opened.setParameters({"TARGET": months})
    assert items(box) == ["All 4 dates", *MONTHS]
    assert not value(opened, "DATE")
    box.setCurrentIndex(2)
    assert value(opened, "DATE") == "2018-11"
    box.setCurrentIndex(0)
    assert value(opened, "DATE") == "2018-10..2019-01"
    box.setEditText("All dates")
    assert value(opened, "DATE") == "2018-10..2019-01"
    box.setEditText("2018-11..2018-12")
    opened.setParameters({"TARGET": write_raster("one.tif", numpy.ones((6, 6)))})
    assert items(box) == []
    assert value(opened, "DATE") == "2018-11..2018-12"


def test_all_dates_stay_all_when_the_target_changes(dialog, months, write_raster):
    opened = dialog("sharpen")
    box = widget(opened, "DATE").box
    opened.setParameters({"TARGET": months})
    box.setCurrentIndex(0)
    others = dated(write_raster("others.tif", numpy.ones((2, 6, 6))), ["2020-01", "2020-02"])
    opened.setParameters({"TARGET": others})
    assert box.currentText() == "All 2 dates" and value(opened, "DATE") == "2020-01..2020-02"
    opened.setParameters({"TARGET": write_raster("one.tif", numpy.ones((6, 6)))})
    assert not value(opened, "DATE")


def test_kinds_are_chosen_for_each_covariate(dialog, write_raster):
    layers = [
        QgsRasterLayer(write_raster(f"{name}.tif", numpy.ones((6, 6))), title)
        for name, title in (("cover", "Land cover 2020"), ("aspect", "Aspect"))
    ]
    QgsProject.instance().addMapLayers(layers)
    opened = dialog("sharpen")
    kinds = widget(opened, "KINDS")
    assert not kinds.boxes and not kinds.empty.isHidden() and not value(opened, "KINDS")
    opened.setParameters({"COVARIATES": [layer.id() for layer in layers]})
    assert list(kinds.boxes) == ["land_cover_2020", "aspect"] and kinds.empty.isHidden()
    labels = [kinds.form.labelForField(box).text() for box in kinds.boxes.values()]
    assert labels == ["Land cover 2020", "Aspect"]
    assert items(kinds.boxes["aspect"]) == ["As its file shows", "Numbers", "Classes", "Directions"]
    kinds.boxes["aspect"].setCurrentIndex(3)
    kinds.boxes["land_cover_2020"].setCurrentIndex(2)
    assert value(opened, "KINDS") == "land_cover_2020=class; aspect=angle"
    opened.setParameters({"COVARIATES": [layers[1].id()]})
    assert value(opened, "KINDS") == "aspect=angle"  # what was said of one that is gone goes
    kinds.boxes["aspect"].setCurrentIndex(0)
    assert not value(opened, "KINDS")
    opened.setParameters({"KINDS": "Aspect=continuous; nonsense"})
    assert kinds.boxes["aspect"].currentText() == "Numbers"
    assert value(opened, "KINDS") == "aspect=continuous; nonsense"  # which the check refuses
    opened.setParameters({"KINDS": "nosuch=class; nonsense"})
    kinds.boxes["aspect"].setCurrentIndex(2)
    assert value(opened, "KINDS") == "aspect=class"  # no list would take the others back
    QgsProject.instance().removeAllMapLayers()


def test_kinds_follow_lines_of_sources_too(dialog):
    opened = dialog("baseline")
    opened.setParameters({"SOURCES": "cover=a.tif\nslope=b.tif#2\nno line", "KINDS": "cover=class"})
    kinds = widget(opened, "KINDS")
    assert list(kinds.boxes) == ["cover", "slope"]
    assert kinds.boxes["cover"].currentText() == "Classes" and value(opened, "KINDS") == "cover=class"


def test_dates_follow_the_layer_that_is_picked_in_the_list(dialog, months, write_raster):
    QgsProject.instance().addMapLayer(QgsRasterLayer(write_raster("none.tif", numpy.ones((6, 6))), "a none"))
    layer = QgsRasterLayer(months, "b months")
    QgsProject.instance().addMapLayer(layer)
    opened = dialog("baseline")
    opened.setParameters({"TARGET": layer.id()})
    assert items(widget(opened, "DATE").box)[1:] == MONTHS
    QgsProject.instance().removeAllMapLayers()


def test_what_is_offered_the_engine_takes(provider, months, tmp_path):
    axis = str(tmp_path / "months.nc")
    parameters = {"METHOD": "bilinear", "FACTOR": 2, "TARGET": months, "OUTPUT": axis, "ALL_DATES": True}
    processing.run("msr:baseline", parameters)
    offered = dates_of_layer(QgsRasterLayer(axis, "months"))
    assert offered == MONTHS
    span = span_of(offered)
    for date, bands in ((offered[1], 1), (span, 4)):
        output = str(tmp_path / "fine.tif")
        processing.run(
            "msr:baseline",
            {**parameters, "TARGET": axis, "DATE": date, "ALL_DATES": False, "OUTPUT": output},
        )
        assert QgsRasterLayer(output).bandCount() == bands


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (["2024-11-26T00:00", "2024-11-26T06:00"], ["2024-11-26T00:00", "2024-11-26T06:00"]),
        (["--01", "--02"], ["--01", "--02"]),
        (["2018-10", "none"], []),
        (["2018-10", "2018-10"], ["2018-10"]),
    ],
)
def test_what_bands_say(qgis_app, write_raster, dates, expected):
    layer = QgsRasterLayer(dated(write_raster("two.tif", numpy.ones((2, 4, 4))), dates))
    assert dates_of_layer(layer) == expected
    assert span_of(["--01", "--02"]) == "" == span_of(["2018"])


def test_dates_stand_in_names_too(qgis_app, write_raster):
    path = write_raster("named.tif", numpy.ones((2, 4, 4)))
    file = gdal.Open(path, gdal.GA_Update)
    for band, name in enumerate(("rain 2001-05-06", "rain 2001-05-07"), start=1):
        file.GetRasterBand(band).SetDescription(name)
    file = None
    assert dates_of_layer(QgsRasterLayer(path)) == ["2001-05-06", "2001-05-07"]


def test_a_batch_has_names_and_the_model_designer_its_own_widgets(windows):
    from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
    from processing.modeler.ModelerParametersDialog import ModelerParametersDialog

    batch = BatchAlgorithmDialog(windows.algorithm("baseline").create())
    panel = batch.mainWidget()
    panel.addRow()
    column = panel.parameter_to_column
    assert panel.wrappers[0][column["METHOD"]].parameterValue() == "bicubic"
    assert items(panel.wrappers[0][column["METHOD"]].box)[0] == "Bilinear interpolation"
    for name in ("DATE", "KINDS"):
        assert not panel.wrappers[0][column[name]].parameterValue()
    batch.close()
    model = QgsProcessingModelAlgorithm("model", "tests")
    designer = ModelerParametersDialog(windows.algorithm("baseline").create(), model)
    wrappers = designer.widget.widget.wrappers
    assert all(
        isinstance(wrappers[name], QgsProcessingModelerParameterWidget)
        for name in ("METHOD", "DATE", "KINDS")
    )
    child = designer.createAlgorithm()
    assert child.parameterSources()["METHOD"][0].staticValue() == "bicubic"
    designer.close()


ALGORITHMS = ["ablate", "baseline", "comparemethods", "evaluate", "exportmodel", "modelinfo", "prepare"]
ALGORITHMS += ["rainitur8", "sharpen", "snow16km", "superresolve", "train"]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_dialog_shows_eight_things_at_most_until_a_section_is_opened(dialog, name):
    """QGIS itself leaves advanced outputs among the others."""
    window = dialog(name)
    window.show()  # QGIS folds the section then
    wrappers = window.mainWidget().wrappers
    widgets = {key: wrapper.wrappedWidget() for key, wrapper in wrappers.items()}
    shown = [key for key, widget in widgets.items() if widget is not None and widget.isVisibleTo(window)]
    assert 2 <= len(shown) <= 8, shown
    hidden = {key for key, w in wrappers.items() if w.parameterDefinition().flags() & ADVANCED}
    assert not hidden & set(shown)


@pytest.mark.parametrize(("name", "parameter"), [("evaluate", "MODEL"), ("baseline", "METHOD")])
def test_the_longest_entry_of_a_list_does_not_widen_a_dialog(dialog, name, parameter):
    widget = dialog(name).mainWidget().wrappers[parameter].wrappedWidget()
    box = widget.findChild(QComboBox)
    longest = max(box.fontMetrics().boundingRect(box.itemText(i)).width() for i in range(box.count()))
    assert box.minimumSizeHint().width() < longest
