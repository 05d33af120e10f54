"""The kind of each covariate that is chosen, from a list for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qgis.core import QgsProcessingContext, QgsProject
from qgis.gui import QgsAbstractProcessingParameterWidgetWrapper
from qgis.PyQt.QtWidgets import QComboBox, QFormLayout, QLabel, QWidget

from ..algorithms.finer.covariate_kinds import KINDS, parts_of
from ..algorithms.finer.covariates import NAME, titles_of, valid
from ..translation import tr
from .parameter_widget import ParameterWidget, WidgetMaker

_LINES = "SOURCES"  # the parameter with NAME=RASTER on each line


class KindsWidget(ParameterWidget):
    """A list for each covariate; the value is a text such as `land_cover=class; aspect=angle`."""

    def createWidget(self) -> QWidget:
        """Return the lists, none yet."""
        self.said: dict[str, str] = {}
        self.odd: list[str] = []  # parts that no list shows: the check refuses them
        self.boxes: dict[str, QComboBox] = {}
        self.empty = QLabel(tr("Choose covariates first."))
        self.frame = QWidget()
        self.form = QFormLayout(self.frame)
        self.form.setContentsMargins(0, 0, 0, 0)
        self.form.addRow(self.empty)
        return self.row(self.frame)

    def postInitialize(self, wrappers: Iterable[QgsAbstractProcessingParameterWidgetWrapper]) -> None:
        """Follow the covariates of the dialog."""
        super().postInitialize(wrappers)
        for wrapper in wrappers:
            if wrapper.parameterDefinition().name() in (NAME, _LINES):
                wrapper.widgetValueHasChanged.connect(self.follow)
                self.follow(wrapper)

    def follow(self, covariates: QgsAbstractProcessingParameterWidgetWrapper) -> None:
        """Offer the kinds of those that are chosen now."""
        value = covariates.parameterValue()
        if covariates.parameterDefinition().name() == _LINES:
            lines = [line.partition("=") for line in str(value or "").splitlines()]
            names = [name.strip() for name, mark, _ in lines if mark and name.strip()]
            self.offer({name: name for name in names})
            return
        context = QgsProcessingContext()
        context.setProject(QgsProject.instance())
        self.offer(titles_of(value, context))

    def offer(self, titles: Mapping[str, str]) -> None:
        """Have a list for each covariate, by name; what was said of one that is gone goes, too."""
        if list(titles) == list(self.boxes):
            return
        for name in self.boxes.keys() - titles.keys():
            self.said.pop(name, None)
        while self.form.rowCount() > 1:
            self.form.removeRow(1)
        self.boxes = {}
        for name, title in titles.items():
            box = QComboBox()
            box.addItem(tr("As its file shows"), "")
            for kind, words in KINDS.items():
                box.addItem(tr(words), kind)
            box.setCurrentIndex(box.findData(self.said.get(name, "")))
            box.currentIndexChanged.connect(self._keep)
            self.form.addRow(title, box)
            self.boxes[name] = box
        self.empty.setVisible(not self.boxes)

    def show_text(self, text: str) -> None:
        """Show what a text says."""
        parts = parts_of(text)
        self.said = {self._name(title): kind for title, kind in parts if kind in KINDS}
        self.odd = [f"{name}={kind}" if kind else name for name, kind in parts if kind not in KINDS]
        for name, box in self.boxes.items():
            box.blockSignals(True)
            box.setCurrentIndex(box.findData(self.said.get(name, "")))
            box.blockSignals(False)
        self.tell()

    def text(self) -> str:
        """Return what is said."""
        return "; ".join([*(f"{name}={kind}" for name, kind in self.said.items()), *self.odd])

    def _name(self, title: str) -> str:
        """Return the name of a covariate that is called by its title."""
        return valid(title) if title not in self.boxes and valid(title) in self.boxes else title

    def _keep(self, *_: object) -> None:
        """Take what the lists say; parts that none shows go, which nobody could take back here."""
        chosen = {name: str(box.currentData() or "") for name, box in self.boxes.items()}
        self.said = {name: kind for name, kind in chosen.items() if kind}
        self.odd = []
        self.tell()


class KindChoice(WidgetMaker):
    """Of the parameter KINDS; a row of a batch has QGIS' own field."""

    WIDGET = KindsWidget
    BATCH = False
