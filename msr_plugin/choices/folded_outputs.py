"""Outputs for experts go into a dialog's section *Advanced*, where QGIS leaves them among the others."""

from __future__ import annotations

from collections.abc import Iterable

from qgis.gui import QgsAbstractProcessingParameterWidgetWrapper
from qgis.PyQt.QtWidgets import QWidget

from ..compat import ADVANCED

_SECTION = "grpAdvanced"  # as QGIS calls it


def fold_outputs(
    inside: QWidget | None, wrappers: Iterable[QgsAbstractProcessingParameterWidgetWrapper]
) -> None:
    """Move the advanced outputs of a dialog into its section for what is advanced.

    Args:
        inside: any widget of the dialog's panel; where the panel has no such section, nothing is moved.
        wrappers: of all parameters; those of older kinds are passed over.
    """
    section = _section(inside)
    if section is None or section.layout() is None:
        return
    for wrapper in wrappers:
        if not isinstance(wrapper, QgsAbstractProcessingParameterWidgetWrapper):
            continue
        definition, widget = wrapper.parameterDefinition(), wrapper.wrappedWidget()
        if not definition.isDestination() or not definition.flags() & ADVANCED or widget is None:
            continue
        for part in (wrapper.wrappedLabel(), widget):
            if part is not None and not section.isAncestorOf(part):
                section.layout().addWidget(part)


def _section(widget: QWidget | None) -> QWidget | None:
    while widget is not None:
        section = widget.findChild(QWidget, _SECTION)
        if section is not None:
            return section
        widget = widget.parentWidget()
    return None
