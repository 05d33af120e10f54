"""A widget of one's own for a parameter, in the dialogs that have room for it; QGIS' own in the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from qgis.core import Qgis, QgsProcessingContext, QgsProcessingParameterDefinition
from qgis.gui import QgsAbstractProcessingParameterWidgetWrapper, QgsGui, QgsProcessingGui
from qgis.PyQt.QtWidgets import QComboBox, QHBoxLayout, QWidget

from ..compat import EXPANDING, PREFERRED, resolve
from .folded_outputs import fold_outputs

STANDARD_DIALOG = resolve((QgsProcessingGui, "WidgetType.Standard"), (Qgis, "ProcessingMode.Standard"))
BATCH_DIALOG = resolve((QgsProcessingGui, "WidgetType.Batch"), (Qgis, "ProcessingMode.Batch"))

_LETTERS = 16  # that a list has room for in a narrow dialog


class ParameterWidget(QgsAbstractProcessingParameterWidgetWrapper):
    """Base of the widgets: the value of a parameter, set and asked for.

    Args:
        parameter: whose value it is.
        kind: of dialog, as QGIS numbers them.
    """

    def postInitialize(self, wrappers: Iterable[QgsAbstractProcessingParameterWidgetWrapper]) -> None:
        """Hear of the other widgets when the dialog has all; one of ours puts the outputs in order."""
        fold_outputs(self.wrappedWidget(), wrappers)

    def setWidgetValue(self, value: Any, context: QgsProcessingContext) -> None:
        """Show a value; one that is no text, such as an expression, as its text."""
        self.show_text("" if value is None else str(value).strip())

    def widgetValue(self) -> str | None:
        """Return the value, None for none."""
        return self.text() or None

    @staticmethod
    def row(*widgets: QWidget) -> QWidget:
        """Return some widgets side by side; SIP forgets what `createWidget` returns, not what is in it."""
        outer = QWidget()
        layout = QHBoxLayout(outer)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in widgets:
            layout.addWidget(widget)
        return outer

    def show_text(self, text: str) -> None:
        """Show a value; here nothing."""

    def text(self) -> str:
        """Return the value, "" for none, as here."""
        return ""

    def tell(self, *_: object) -> None:
        """Tell the dialog that the value is another now."""
        self.widgetValueHasChanged.emit(self)


def narrow(box: QComboBox) -> None:
    """Let a list be narrower than its longest entry, which would widen the whole dialog."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(_LETTERS)
    box.setSizePolicy(EXPANDING, PREFERRED)


class WidgetMaker:
    """What QGIS makes a widget with: `WidgetMaker(parameter, dialog, row, column)` is the widget itself.

    Subclasses say which one. Model designer and, where `BATCH` is false, batch tables get QGIS' own, which
    also offer inputs, expressions and fillings; `entry` says what a list of QGIS' own shows of a value.
    """

    WIDGET: type[ParameterWidget]
    BATCH = True

    @staticmethod
    def entry(value: str) -> str:
        """Return a value as a list shows it."""
        return value

    def __new__(
        cls,
        parameter: QgsProcessingParameterDefinition,
        dialog: QWidget,
        row: int = 0,
        column: int = 0,
        value_hints: Sequence[str] = (),
    ) -> Any:
        """Return the widget for a kind of dialog."""
        kind = type(dialog).__name__
        registry = QgsGui.processingGuiRegistry()
        if kind == "ModelerParametersDialog":
            own = registry.createModelerParameterWidget(
                dialog.model, dialog.childId, parameter, dialog.context
            )
            cls._relabel(own, value_hints or getattr(parameter, "options", list)())
        elif kind == "BatchAlgorithmDialog" and not cls.BATCH:
            own = registry.createParameterWidgetWrapper(parameter, BATCH_DIALOG)
        else:
            own = cls.WIDGET(parameter, BATCH_DIALOG if kind == "BatchAlgorithmDialog" else STANDARD_DIALOG)
        own.setDialog(dialog)
        return own

    @classmethod
    def _relabel(cls, own: QWidget, values: Sequence[str]) -> None:
        """Have QGIS' own list, whose entries have the values as data, show them as `entry` says."""
        for box in own.findChildren(QComboBox):
            for index in range(box.count()) if all(box.findData(value) >= 0 for value in values) else ():
                value = box.itemData(index)
                if isinstance(value, str) and box.itemText(index) == value:
                    box.setItemText(index, cls.entry(value))
