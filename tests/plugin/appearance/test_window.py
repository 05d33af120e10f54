"""What a dialog shows of a check: plain text, in the dialog itself, with labels of its own."""

from __future__ import annotations

from types import SimpleNamespace

import numpy
import pytest
import qgis.utils
from qgis.core import QgsProcessingContext
from qgis.gui import QgsMessageBar, QgsProcessingAlgorithmDialogBase
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QLabel

from msr_plugin.appearance import window


class BareDialog(QgsProcessingAlgorithmDialogBase):
    """A dialog without parameters."""


WARNINGS = ["Elevation covers <b>12%</b> of the output.", "A second warning."]


@pytest.fixture
def main_bar(qgis_app, monkeypatch):
    """The main window's message bar, of a QGIS that has a window."""
    bar = QgsMessageBar()
    monkeypatch.setattr(qgis.utils, "iface", SimpleNamespace(messageBar=lambda: bar))
    return bar


def texts(bar):
    return [label.text() for item in bar.items() for label in item.findChildren(QLabel) if label.text()]


def test_warnings_stand_in_the_dialog_letter_by_letter(main_bar):
    dialog = BareDialog()
    dialog.show()
    try:
        window.show_warnings(WARNINGS)
        assert texts(dialog.messageBar()) == ["\n".join(WARNINGS)]
        assert not main_bar.items()
        (label,) = [each for each in dialog.messageBar().findChildren(QLabel) if each.text()]
        assert label.textFormat() == window.PLAIN_TEXT and label.wordWrap()
        window.clear_warnings()
        window.show_warnings([])
        assert not any(item.isVisible() for item in dialog.messageBar().items())
    finally:
        dialog.close()


def test_without_dialog_they_stand_in_the_main_window(main_bar):
    window.show_warnings(WARNINGS)
    assert texts(main_bar) == ["\n".join(WARNINGS)]


@pytest.mark.parametrize("name", ["<b>fat<i>.tif", "a & b.tif", "2 < 3.tif", "<img src='file:///x'>.tif"])
def test_a_message_box_shows_every_letter_of_a_name(main_bar, provider, write_raster, name):
    from qgis.PyQt.QtGui import QTextDocument

    given = {"TARGET": f"/none/{name}", "METHOD": "bilinear", "FACTOR": 2, "OUTPUT": "TEMPORARY_OUTPUT"}
    fine, sentence = (
        provider.algorithm("baseline").create().checkParameterValues(given, QgsProcessingContext())
    )
    assert not fine
    document = QTextDocument()  # as a message box reads it
    document.setHtml(sentence) if Qt.mightBeRichText(sentence) else document.setPlainText(sentence)
    expected = f"Target raster (coarse) (TARGET): there is no raster /none/{name}: check the name."
    assert document.toPlainText() == expected


def test_a_script_reads_the_name_itself(provider, monkeypatch):
    monkeypatch.setattr(qgis.utils, "iface", None)
    given = {"TARGET": "/none/<b>.tif", "METHOD": "bilinear", "FACTOR": 2, "OUTPUT": "TEMPORARY_OUTPUT"}
    _, sentence = provider.algorithm("baseline").create().checkParameterValues(given, QgsProcessingContext())
    assert "/none/<b>.tif: check" in sentence


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"METHOD": "magic"}, "Method (METHOD): “magic” is none of bilinear, "),
        ({"FACTOR": 1}, "Factor (FACTOR): 1 is no number from 2 to 100."),
        ({"CONSERVATION": 1.5}, "Conservation strength (CONSERVATION): 1.5 is no number from 0 to 1."),
        (
            {"REFERENCE": "none.tif"},
            "Reference grid (REFERENCE): there is no raster none.tif: check the name.",
        ),
        (
            {"REFERENCE": __file__},
            f"Reference grid (REFERENCE): {__file__} cannot be read as a raster: it is",
        ),
        (
            {"REFERENCE": f"file://{__file__}"},
            f"Reference grid (REFERENCE): file://{__file__} cannot be read",
        ),
        ({"OUTPUT": ""}, "Finer raster (OUTPUT) is missing."),
        ({"CRS": "EPSG:mars"}, "Output CRS (CRS) is not valid."),
    ],
)
def test_values_that_are_not_taken_are_named_by_their_labels(provider, write_raster, wrong, sentence):
    target = write_raster("coarse.tif", numpy.ones((4, 4)))
    given = {"TARGET": target, "METHOD": "bilinear", "FACTOR": 2, "OUTPUT": "TEMPORARY_OUTPUT", **wrong}
    fine, said = provider.algorithm("baseline").create().checkParameterValues(given, QgsProcessingContext())
    assert not fine and said.startswith(sentence)


def test_a_dialog_is_known_by_its_algorithm(provider, main_bar):
    dialog = BareDialog()
    dialog.setAlgorithm(provider.algorithm("baseline").create())
    assert not window.in_dialog("msr:baseline")
    dialog.show()
    try:
        assert window.in_dialog("msr:baseline") and not window.in_dialog("msr:sharpen")
    finally:
        dialog.close()
