"""A date from those of the raster that is chosen as target; any other can be typed."""

from __future__ import annotations

from collections.abc import Iterable

from qgis.core import QgsMapLayer, QgsProcessingContext, QgsProject, QgsRasterLayer
from qgis.gui import QgsAbstractProcessingParameterWidgetWrapper
from qgis.PyQt.QtWidgets import QComboBox, QWidget

from ..algorithms.rasters import open_raster
from ..translation import tr
from .layer_dates import dates_of_layer, span_of
from .parameter_widget import ParameterWidget, WidgetMaker

_ALL = ("all", "all dates", tr("all dates"))  # as they may be typed
OF = "TARGET"  # the parameter of the raster


class DateWidget(ParameterWidget):
    """A list of dates in which others can be typed; the value is the text, of the entry for all a span."""

    def createWidget(self) -> QWidget:
        """Return the list, still empty."""
        self.span = ""
        self.box = QComboBox()
        self.box.setEditable(True)
        self.box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.box.setMaxVisibleItems(20)
        self.box.lineEdit().setPlaceholderText(tr("As the target's band says"))
        self.box.editTextChanged.connect(self.tell)
        return self.row(self.box)

    def postInitialize(self, wrappers: Iterable[QgsAbstractProcessingParameterWidgetWrapper]) -> None:
        """Follow the raster of the dialog."""
        super().postInitialize(wrappers)
        for wrapper in wrappers:
            if wrapper.parameterDefinition().name() == OF:
                wrapper.widgetValueHasChanged.connect(self.follow)
                self.follow(wrapper)

    def follow(self, target: QgsAbstractProcessingParameterWidgetWrapper) -> None:
        """Offer the dates of a raster; what stands in the field stays."""
        self.offer(dates_of_value(target.parameterValue()))

    def offer(self, dates: list[str]) -> None:
        """Offer some dates, and all of them where there are several."""
        written, before, self.span = self.text(), self.span, span_of(dates)
        if before and written == before:  # all dates of one raster are those of the next, too
            written = self.span
        self.box.blockSignals(True)  # nothing changes for the dialog
        self.box.clear()
        if self.span:
            self.box.addItem(tr("All {} dates").format(len(dates)), self.span)
        for date in dates:
            self.box.addItem(date, date)
        self.show_text(written)
        self.box.blockSignals(False)

    def show_text(self, text: str) -> None:
        """Show a date, by the list's words where it is on it."""
        index = self.box.findData(text) if text else -1
        self.box.setCurrentIndex(index)
        if index < 0:
            self.box.setEditText(text)

    def text(self) -> str:
        """Return the date, or the span of all."""
        written = self.box.currentText().strip()
        index = self.box.findText(written)
        if index < 0 and self.span and written.lower() in _ALL:
            return self.span
        return str(self.box.itemData(index)) if index >= 0 else written


class DateChoice(WidgetMaker):
    """Of the parameter DATE; a row of a batch has QGIS' own field."""

    WIDGET = DateWidget
    BATCH = False


def dates_of_value(value: object) -> list[str]:
    """Return the dates of a raster parameter's value, none where it is no raster, or has none."""
    layer = value if isinstance(value, QgsMapLayer) else None
    if layer is None and isinstance(value, str):
        context = QgsProcessingContext()
        context.setProject(QgsProject.instance())
        layer = open_raster(value, context)
        dates = dates_of_layer(layer) if isinstance(layer, QgsRasterLayer) else []
        return dates  # before the context goes, and its layer with it
    return dates_of_layer(layer) if isinstance(layer, QgsRasterLayer) else []
