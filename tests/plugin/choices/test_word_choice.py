"""Words from a closed list: shown in QGIS' language, passed on as scripts write them."""

from __future__ import annotations

import json

import pytest
from qgis.core import QgsProcessingContext, QgsProcessingModelAlgorithm, QgsProcessingParameterEnum
from qgis.PyQt.QtWidgets import QComboBox

from msr_plugin import translation
from msr_plugin.choices import word_choice
from msr_plugin.choices.word_choice import shown, words_of

FORMS = ("sharpen", "comparemethods", "baseline", "superresolve", "tinyrain", "prepare", "train", "evaluate")


@pytest.fixture
def german(root, monkeypatch):
    """Texts of widgets that are made now are German."""
    entries = json.loads((root / "resources/translations/de.json").read_text(encoding="utf-8"))
    monkeypatch.setattr(translation, "catalogue", lambda: entries)


@pytest.fixture
def widgets(provider, german, qgis_iface, monkeypatch):
    """Return a function that opens a dialog and returns its widgets by parameter."""
    from processing.gui import BatchPanel, ParametersPanel
    from processing.gui.AlgorithmDialog import AlgorithmDialog

    for module in (BatchPanel, ParametersPanel):
        monkeypatch.setattr(module, "iface", None)
    opened = []

    def opening(name):
        opened.append(AlgorithmDialog(provider.algorithm(name).create()))
        return opened[-1].mainWidget().wrappers, opened[-1]

    yield opening
    for each in opened:
        each.close()


def items(box):
    return [box.itemText(at) for at in range(box.count())]


def test_entries_are_german_and_values_are_words(widgets):
    form, dialog = widgets("sharpen")
    assert items(form["QUANTITY"].box) == [
        "Automatisch (auto)", "Nie unter 0 (nonnegative)", "Über und unter 0 (signed)",
    ]  # fmt: skip
    assert items(form["FORMAT"].box)[1:] == ["GeoTIFF", "NetCDF", "Zarr"]
    assert form["AGGREGATE"].box.currentText() == "Wie sie sind (as they are)"
    assert form["AGGREGATE"].parameterValue() == "as they are"
    form["AGGREGATE"].box.setCurrentIndex(3)
    assert form["AGGREGATE"].box.currentText() == "Mittel jedes Monats (month:mean)"
    assert form["AGGREGATE"].parameterValue() == "month:mean"
    assert (form["DEVICE"].box.currentText(), form["DEVICE"].parameterValue()) == (
        "Automatisch (auto)",
        "auto",
    )
    dialog.setParameters({"QUANTITY": "signed", "DEVICE": "cuda:1"})
    assert form["QUANTITY"].box.currentText() == "Über und unter 0 (signed)"
    assert form["DEVICE"].parameterValue() == "cuda:1"  # what a script may say is not lost
    dialog.setParameters({"DEVICE": None})
    assert form["DEVICE"].parameterValue() == "auto"


@pytest.mark.parametrize("name", FORMS)
def test_every_list_of_words_is_ours_and_all_are_translated(provider, german, name):
    algorithm = provider.algorithm(name).create()
    lists = [
        each
        for each in algorithm.parameterDefinitions()
        if isinstance(each, QgsProcessingParameterEnum) or each.name() == "DEVICE"
    ]
    assert lists
    for parameter in lists:
        maker = parameter.metadata()["widget_wrapper"]["class"].rpartition(".")[2]
        assert maker == ("MethodChoice" if parameter.name() == "METHOD" else "WordChoice")
        assert parameter.defaultValue() in words_of(parameter)
        for word in words_of(parameter) if maker == "WordChoice" else ():
            assert word in ("GeoTIFF", "NetCDF", "Zarr") or shown(word).endswith(f" ({word})")


def test_entries_in_english():
    assert shown("something new") == "something new"
    assert shown("as they are") == "As they are"  # in English the word says it already
    assert shown("auto") == "Automatic (auto)" and shown("none") == "As they are (none)"


def test_the_model_designer_and_batches_show_them_too(widgets, provider, monkeypatch):
    from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
    from processing.modeler import ModelerParametersDialog

    monkeypatch.setattr(ModelerParametersDialog, "iface", None)
    batch = BatchAlgorithmDialog(provider.algorithm("sharpen").create())
    panel = batch.mainWidget()
    panel.addRow()
    row, column = panel.wrappers[0], panel.parameter_to_column
    assert items(row[column["QUANTITY"]].box)[1] == "Nie unter 0 (nonnegative)"
    assert row[column["QUANTITY"]].parameterValue() == "auto"
    batch.close()
    algorithm = provider.algorithm("baseline").create()
    designer = ModelerParametersDialog.ModelerParametersDialog(
        algorithm, QgsProcessingModelAlgorithm("model", "tests")
    )
    forms = designer.widget.widget.wrappers
    entries = {name: [t for box in forms[name].findChildren(QComboBox) for t in items(box)] for name in forms}
    assert "Nie unter 0 (nonnegative)" in entries["QUANTITY"]
    assert "Automatisch (auto)" in entries["DEVICE"]
    assert "Bikubische Interpolation" in entries["METHOD"]
    sources = designer.createAlgorithm().parameterSources()
    kept = {name: sources[name][0].staticValue() for name in ("QUANTITY", "METHOD", "AGGREGATE", "DEVICE")}
    assert kept == {"QUANTITY": "auto", "METHOD": "bicubic", "AGGREGATE": "as they are", "DEVICE": "auto"}
    designer.close()


def test_words_mean_the_same_in_every_language(provider, german):
    algorithm = provider.algorithm("sharpen").create()
    assert algorithm.parameterDefinition("QUANTITY").options() == ["auto", "nonnegative", "signed"]
    said = algorithm.parameterAsString({"QUANTITY": "signed"}, "QUANTITY", QgsProcessingContext())
    assert said == "signed"
    assert word_choice.tr("Never below 0") == "Nie unter 0"
