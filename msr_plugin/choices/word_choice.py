"""A word from a closed list: shown in the language of QGIS, passed on as scripts and models write it."""

from __future__ import annotations

from qgis.core import QgsProcessingParameterDefinition, QgsProcessingParameterEnum
from qgis.PyQt.QtWidgets import QComboBox, QWidget

from ..translation import tr
from .parameter_widget import ParameterWidget, WidgetMaker, narrow

# Word: what a dialog says of it. Words that are not here are names, and stand for themselves.
WORDS = {
    "auto": "Automatic",
    "cpu": "Processor",
    "cuda": "NVIDIA graphics card",
    "mps": "Apple graphics processor",
    "nonnegative": "Never below 0",
    "signed": "Above and below 0",
    "as they are": "As they are",
    "none": "As they are",
    "day:mean": "Mean of each day",
    "day:sum": "Sum of each day",
    "month:mean": "Mean of each month",
    "month:sum": "Sum of each month",
}


def shown(word: str) -> str:
    """Return an entry of a list, with the word for scripts, which help and sentences use, in brackets."""
    words = WORDS.get(word)
    if words is None:
        return word
    return tr(words) if tr(words).lower() == word else f"{tr(words)} ({word})"


def words_of(parameter: QgsProcessingParameterDefinition) -> list[str]:
    """Return the words that a parameter may be."""
    if isinstance(parameter, QgsProcessingParameterEnum):
        return list(parameter.options())
    return list(parameter.metadata()["widget_wrapper"]["value_hints"])


class WordWidget(ParameterWidget):
    """A list of entries; the value is the word."""

    def createWidget(self) -> QWidget:
        """Return the list."""
        self.box = QComboBox()
        narrow(self.box)
        for word in words_of(self.parameterDefinition()):
            self.box.addItem(shown(word), word)
        self.show_text("")
        self.box.currentIndexChanged.connect(self.tell)
        return self.row(self.box)

    def show_text(self, text: str) -> None:
        """Show a word; none as the default, one that is not on the list as it is: the check judges it."""
        text = text or str(self.parameterDefinition().defaultValue() or "")
        if text and self.box.findData(text) < 0:
            self.box.addItem(text, text)
        self.box.setCurrentIndex(self.box.findData(text))

    def text(self) -> str:
        """Return the word."""
        return str(self.box.currentData() or "")


class WordChoice(WidgetMaker):
    """Of the parameters that are one of some words."""

    WIDGET = WordWidget

    @staticmethod
    def entry(value: str) -> str:
        """Return what an entry of QGIS' own list shall say."""
        return shown(value)
