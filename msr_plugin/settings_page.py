"""Settings > Options > Super-resolution: the engine's Python, and a test of it."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsApplication, QgsSettings, QgsTask
from qgis.gui import QgsFileWidget, QgsOptionsPageWidget, QgsOptionsWidgetFactory
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from .appearance.icons import plugin_icon
from .compat import TEXT_SELECTABLE
from .translation import tr
from .worker.doctor import examine
from .worker.environment import SETTING, commands, default_python, find_engine


class OptionsFactory(QgsOptionsWidgetFactory):
    """Makes the page."""

    def __init__(self) -> None:
        super().__init__()
        self.setTitle(tr("Super-resolution"))

    def icon(self) -> QIcon:
        """Return the page's icon."""
        return plugin_icon()

    def createWidget(self, parent: QWidget | None = None) -> OptionsPage:
        """Return a new page."""
        return OptionsPage(parent)


class OptionsPage(QgsOptionsPageWidget):
    """Names the engine's Python; empty means the usual places."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._task: _Examination | None = None
        about = QLabel(
            tr("The engine runs in a Python environment of its own, so that nothing is installed into QGIS. ")
            + tr("Leave the field empty to use the one in its usual place:")
            + f"\n{default_python()}\n\n"
            + tr("These two commands make it:")
            + "\n"
            + "\n".join(commands())
        )
        about.setWordWrap(True)
        about.setTextInteractionFlags(TEXT_SELECTABLE)
        self.python = QgsFileWidget()
        self.python.setDialogTitle(tr("The engine's Python"))
        self.python.setFilePath(str(QgsSettings().value(SETTING, "") or ""))
        self.test_button = QPushButton(tr("Test"))
        self.test_button.clicked.connect(self.test)
        self.report = QPlainTextEdit()
        self.report.setReadOnly(True)
        layout = QVBoxLayout(self)
        for widget in (about, QLabel(tr("The engine's Python")), self.python, self.test_button, self.report):
            layout.addWidget(widget)

    def apply(self) -> None:
        """Keep the setting."""
        QgsSettings().setValue(SETTING, self.python.filePath().strip())

    def test(self) -> None:
        """Let the doctor look at the interpreter, in the background."""
        named = self.python.filePath().strip()
        python = Path(named).expanduser() if named else find_engine().python
        self.report.setPlainText(tr("Testing {} …").format(python))
        self.test_button.setEnabled(False)
        self._task = _Examination(python)
        self._task.taskCompleted.connect(self._show)
        self._task.taskTerminated.connect(self._show)
        QgsApplication.taskManager().addTask(self._task)

    def _show(self) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        self.test_button.setEnabled(True)
        head = tr("All is well.") if task.fine else tr("Something is wrong.")
        self.report.setPlainText(f"{head}\n\n{task.report}")


class _Examination(QgsTask):
    """Runs the doctor away from the main thread."""

    def __init__(self, python: Path) -> None:
        super().__init__(tr("Testing the engine"))
        self._python = python
        self.fine = False
        self.report = ""

    def run(self) -> bool:
        """Run it (background thread)."""
        self.fine, self.report = examine(self._python)
        return True
