"""A model from the list of installed ones, or the folder of a package."""

from __future__ import annotations

from qgis.PyQt.QtWidgets import QComboBox, QFileDialog, QToolButton, QWidget

from ..folders import model_folders
from ..packages.cards import installed_cards
from ..translation import tr
from .parameter_widget import ParameterWidget, WidgetMaker, narrow


class ModelWidget(ParameterWidget):
    """A list of names in which a folder can be typed, too; the value is the id or the folder."""

    def createWidget(self) -> QWidget:
        """Return the list, and a button for a folder."""
        self.box = QComboBox()
        self.box.setEditable(True)
        self.box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        for card in installed_cards(model_folders())[0]:
            self.box.addItem(f"{card.name} ({card.id})", card.id)
        self.box.setCurrentIndex(-1)
        narrow(self.box)
        self.box.lineEdit().setPlaceholderText(tr("An installed model, or a folder"))
        self.box.editTextChanged.connect(self.tell)
        button = QToolButton()
        button.setText("…")
        button.setToolTip(tr("Choose the folder of a model package"))
        button.clicked.connect(self._browse)
        return self.row(self.box, button)

    def show_text(self, text: str) -> None:
        """Show a model by its id, or a folder."""
        index = self.box.findData(text) if text else -1
        self.box.setCurrentIndex(index)
        if index < 0:
            self.box.setEditText(text)

    def text(self) -> str:
        """Return the id, or the folder."""
        written = self.box.currentText().strip()
        index = self.box.findText(written)
        return str(self.box.itemData(index)) if index >= 0 else written

    def _browse(self) -> None:
        folder = QFileDialog.getExistingDirectory(self.box, tr("Folder of a model package"))
        if folder:
            self.show_text(folder)


class ModelChoice(WidgetMaker):
    """Of the parameter MODEL."""

    WIDGET = ModelWidget
