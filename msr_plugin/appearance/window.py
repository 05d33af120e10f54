"""What is shown in QGIS' window outside a run: warnings of a check, sentences in its message boxes."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import qgis.utils
from qgis.core import QgsApplication
from qgis.gui import QgsMessageBar, QgsProcessingAlgorithmDialogBase
from qgis.PyQt.QtCore import Qt, QThread
from qgis.PyQt.QtWidgets import QLabel

from ..compat import EXPANDING, PLAIN_TEXT, PREFERRED, WARNING


def in_window() -> bool:
    """Return whether somebody looks at a dialog: a script hears the same from the run itself."""
    application = QgsApplication.instance()
    on_main_thread = application is not None and QThread.currentThread() == application.thread()
    return on_main_thread and qgis.utils.iface is not None


def in_dialog(algorithm: str) -> bool:
    """Return whether the dialog of an algorithm, by its id, is in use; a script in the window has none."""
    dialog = _dialog() if in_window() else None
    shown = None if dialog is None else dialog.algorithm()
    return shown is not None and shown.id() == algorithm


def for_box(sentence: str) -> str:
    """Return a sentence so that a message box shows it letter by letter, markup in a file's name too."""
    return escape(sentence) if in_window() and Qt.mightBeRichText(sentence) else sentence


def show_warnings(texts: Iterable[str]) -> None:
    """Show warnings at the top of the dialog, else of the main window; the run's log repeats them."""
    bar = _dialog_bar()
    if bar is None and qgis.utils.iface is not None:
        bar = qgis.utils.iface.messageBar()
    words = "\n".join(texts)
    if bar is None or not words:
        return
    label = QLabel(words)  # the bar's own text would be cut off after two lines, and takes markup
    label.setTextFormat(PLAIN_TEXT)
    label.setWordWrap(True)
    label.setSizePolicy(EXPANDING, PREFERRED)
    bar.pushWidget(label, WARNING)


def clear_warnings() -> None:
    """Remove what earlier checks have shown in the dialog."""
    bar = _dialog_bar()
    if bar is not None:
        bar.clearWidgets()


def _dialog_bar() -> QgsMessageBar | None:
    """Return the message bar of the algorithm's dialog that is in use."""
    dialog = _dialog()
    return None if dialog is None else dialog.messageBar()


def _dialog() -> QgsProcessingAlgorithmDialogBase | None:
    """Return the algorithm's dialog that is in use."""
    active = QgsApplication.activeWindow()
    shown = [w for w in (active, *QgsApplication.topLevelWidgets()) if w is not None and w.isVisible()]
    dialogs = [widget for widget in shown if isinstance(widget, QgsProcessingAlgorithmDialogBase)]
    return dialogs[0] if dialogs else None
