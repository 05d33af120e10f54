"""A simple method by its name, with a line that says what it does and needs."""

from __future__ import annotations

from qgis.PyQt.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from ..method_list import METHODS, ListedMethod
from ..translation import tr
from .parameter_widget import STANDARD_DIALOG, ParameterWidget, WidgetMaker, narrow


class MethodWidget(ParameterWidget):
    """A list of names; the value is the id."""

    def createWidget(self) -> QWidget:
        """Return the list, in a dialog with the line below it."""
        self.box = QComboBox()
        narrow(self.box)
        for method in METHODS.values():
            self.box.addItem(tr(method.title), method.id)
        self.box.currentIndexChanged.connect(self.tell)
        if self.type() != STANDARD_DIALOG:
            return self.row(self.box)
        self.line = QLabel()
        self.line.setWordWrap(True)
        self.box.currentIndexChanged.connect(self._describe)
        widget = QWidget()
        layout = QVBoxLayout(widget)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.box)
        layout.addWidget(self.line)
        self._describe()
        return widget

    def show_text(self, text: str) -> None:
        """Show a method by its id; one that is not on the list as none."""
        self.box.setCurrentIndex(self.box.findData(text))

    def text(self) -> str:
        """Return the id."""
        return str(self.box.currentData() or "")

    def _describe(self, *_: object) -> None:
        method = METHODS.get(self.text())
        self.line.setText(described(method) if method else "")


class MethodChoice(WidgetMaker):
    """Of the parameter METHOD."""

    WIDGET = MethodWidget

    @staticmethod
    def entry(value: str) -> str:
        """Return a method's title."""
        return tr(METHODS[value].title) if value in METHODS else value


def described(method: ListedMethod) -> str:
    """Return a line on a method."""
    needs = [tr(source.capitalize()) for source in method.needs]
    return f"{tr(method.help)} " + (tr("Needs: {}.").format(", ".join(needs)) if needs else "")
