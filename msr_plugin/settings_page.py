"""Settings > Options > Super-resolution: the engine installed, updated, removed, tested, or another named."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsApplication, QgsSettings, QgsTask
from qgis.gui import QgsFileWidget, QgsOptionsPageWidget, QgsOptionsWidgetFactory
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from .appearance.icons import plugin_icon
from .compat import PLAIN_TEXT, TEXT_SELECTABLE
from .installer.downloads import downloads_folder
from .installer.install_task import background_work
from .installer.jobs import begin_remove
from .installer.offer import show_install_dialog
from .installer.plan import is_outdated
from .installer.problems import InstallProblem
from .translation import tr
from .worker.doctor import examine
from .worker.environment import SETTING, commands, engine_folder, find_engine, venv_python
from .worker.installed_engine import engines_folder, installed_engine


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
        self._work = background_work()
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.state.setTextFormat(PLAIN_TEXT)
        self.state.setTextInteractionFlags(TEXT_SELECTABLE)
        self.install_button = QPushButton()
        self.install_button.clicked.connect(lambda: show_install_dialog(self.window()))
        self.remove_button = QPushButton(tr("Remove engine"))
        self.remove_button.clicked.connect(self.remove)
        about = QLabel(
            tr("Leave the field empty to use the engine above, or the one in its usual place:")
            + f"\n{venv_python(engine_folder())}\n\n"
            + tr("These two commands make one there without Install engine:")
            + "\n"
            + "\n".join(commands())
        )
        about.setWordWrap(True)
        about.setTextFormat(PLAIN_TEXT)
        about.setTextInteractionFlags(TEXT_SELECTABLE)
        self.python = QgsFileWidget()
        self.python.setDialogTitle(tr("The engine's Python"))
        self.python.setFilePath(str(QgsSettings().value(SETTING, "") or ""))
        self.test_button = QPushButton(tr("Test"))
        self.test_button.clicked.connect(self.test)
        self.report = QPlainTextEdit()
        self.report.setReadOnly(True)
        row = QHBoxLayout()
        for button in (self.install_button, self.remove_button, self.test_button):
            row.addWidget(button)
        row.addStretch()
        layout = QVBoxLayout(self)
        layout.addWidget(self.state)
        layout.addLayout(row)
        for widget in (QLabel(tr("Another Python for the engine")), self.python, about, self.report):
            layout.addWidget(widget)
        self._work.ended.connect(self._show_end)
        self._show_state()

    def _show_state(self) -> None:
        """Say which engine there is, and what can be done with it."""
        engine = find_engine()
        installed = installed_engine()
        outdated = installed is not None and is_outdated(installed)
        words = tr("The engine runs in a Python environment of its own: nothing is installed into QGIS.")
        if engine.problem:
            words += f"\n{engine.problem}"
        elif installed is None or engine.python != installed.interpreter:
            words += "\n" + tr("In use: {} (from {})").format(engine.python, engine.origin)
        else:
            kind = {"cpu": tr("for the processor"), "cuda": tr("for an NVIDIA card")}.get(
                installed.variant, ""
            )
            words += "\n" + tr("Installed: {}, Python {}, in {}").format(
                kind, installed.version, engines_folder() / installed.folder
            )
        if outdated:
            words += "\n" + tr("This version of the plugin was made with other packages: update the engine.")
        self.state.setText(words)
        again = tr("Update engine") if outdated else tr("Install engine again")
        self.install_button.setText(tr("Install engine") if installed is None else again)
        kept = any(engines_folder().glob("*")) or downloads_folder().exists()
        self.remove_button.setEnabled(not self._work.busy and kept)

    def remove(self) -> None:
        """Remove the engine that the plugin made, in the background."""
        try:
            begin_remove()
        except InstallProblem as problem:
            self.report.setPlainText(str(problem))
        else:
            self.report.setPlainText(tr("Removing the engine") + " …")  # tens of thousands of files
            self.remove_button.setEnabled(False)

    def _show_end(self, fine: bool, sentence: str) -> None:
        if fine:  # installing empties a setting that would hide the new engine
            self.python.setFilePath(str(QgsSettings().value(SETTING, "") or ""))
        self.report.setPlainText(sentence)
        self._show_state()

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
