"""The dialog *Install engine*: what it takes, then how far it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from qgis.core import QgsApplication
from qgis.PyQt.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from ..compat import PLAIN_TEXT, TEXT_SELECTABLE
from ..translation import tr
from ..worker.installed_engine import engines_folder, installed_engine
from .bundle import SUFFIX
from .install_task import background_work
from .issue_report import report
from .jobs import begin_bundle, begin_install, begin_install_from_bundle
from .lock import read_lock
from .machine import platform_name
from .plan import InstallPlan, make_plan, offered_variants
from .problems import InstallProblem
from .progress import InstallProgress, Pace, bytes_text, time_text

_SIZE = (640, 560)  # pixels


class InstallDialog(QDialog):
    """Asks, begins, and shows what `background_work` does; it may be closed meanwhile."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Install engine"))
        self.resize(*_SIZE)
        self._work = background_work()
        self._pace = Pace()
        self._plans: dict[tuple[str, bool], InstallPlan] = {}
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.about.setTextFormat(PLAIN_TEXT)
        self.about.setTextInteractionFlags(TEXT_SELECTABLE)
        self.cpu = QRadioButton(tr("For the processor (CPU): runs everywhere"))
        self.cuda = QRadioButton(tr("For an NVIDIA card (CUDA): faster with networks, much larger"))
        self.cpu.setChecked(True)
        self.training = QCheckBox()
        self.bar = QProgressBar()
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextFormat(PLAIN_TEXT)
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.log.setPlainText("\n".join(self._work.log))
        self.install_button = QPushButton(tr("Install"))
        self.cancel_button = QPushButton(tr("Cancel"))
        self.bundle_button = QPushButton(tr("Install from bundle …"))
        self.make_button = QPushButton(tr("Make a bundle …"))
        self.copy_button = QPushButton(tr("Copy report"))
        self.copy_button.setToolTip(tr("Versions, machine and log, as Markdown for a bug tracker"))
        self._lay_out()
        self._connect()
        self._offer()
        self._show_state()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        for widget in (self.about, self.cpu, self.cuda, self.training, self.bar, self.status, self.log):
            layout.addWidget(widget)
        layout.setStretchFactor(self.log, 1)
        row = QHBoxLayout()
        for button in (self.install_button, self.cancel_button, self.bundle_button, self.make_button):
            row.addWidget(button)
        layout.addLayout(row)
        box = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        box.addButton(self.copy_button, QDialogButtonBox.ButtonRole.ActionRole)
        box.rejected.connect(self.reject)
        layout.addWidget(box)
        self.install_button.setDefault(True)

    def _connect(self) -> None:
        self.cpu.toggled.connect(self._describe)
        self.training.toggled.connect(self._describe)
        self.install_button.clicked.connect(self.install)
        self.cancel_button.clicked.connect(self._cancel)
        self.bundle_button.clicked.connect(self._choose_bundle)
        self.make_button.clicked.connect(self._choose_new_bundle)
        self.copy_button.clicked.connect(self.copy_report)
        self._work.progressed.connect(self._show_progress)
        self._work.logged.connect(self._show_line)
        self._work.ended.connect(self._show_end)

    @property
    def variant(self) -> str:
        """Return cpu or cuda."""
        return "cuda" if self.cuda.isChecked() else "cpu"

    def _offer(self) -> None:
        """Show what this machine is offered, or why there is nothing."""
        try:
            variants = offered_variants(read_lock(platform_name()))
        except InstallProblem as problem:
            variants = []
            self.about.setText(str(problem))
        before = installed_engine()
        if before is not None:  # an update keeps the choice
            self.cuda.setChecked(before.variant == "cuda" and "cuda" in variants)
            self.training.setChecked("training" in before.sets)
        self.cuda.setVisible("cuda" in variants)
        self.cpu.setVisible("cuda" in variants)
        self._describe()

    def _describe(self) -> None:
        try:
            self.about.setText(description(self._plan()))
            more = self._plan(True).download - self._plan(False).download
            words = tr("With what training models of one's own needs ({} more)")
            self.training.setText(words.format(bytes_text(more)))
        except InstallProblem as problem:
            self.about.setText(str(problem))
        self.training.setVisible(bool(self._plans))
        self._show_state()

    @property
    def sets(self) -> tuple[str, ...]:
        """Return what the engine is to be for."""
        return ("engine", "training") if self.training.isChecked() else ("engine",)

    def _plan(self, training: bool | None = None) -> InstallPlan:
        """Return the plan of what is chosen, or the same with or without training."""
        training = self.training.isChecked() if training is None else training
        key = self.variant, training
        if key not in self._plans:
            one = next(iter(self._plans.values()), None)  # of the same Python
            sets = ("engine", "training") if training else ("engine",)
            self._plans[key] = make_plan(self.variant, sets, python=one.python if one else None)
        return self._plans[key]

    def install(self) -> None:
        """Begin."""
        self._try(lambda: begin_install(self._plan()))

    def install_from(self, path: Path) -> None:
        """Begin from a bundle."""
        self._try(lambda: begin_install_from_bundle(path))

    def copy_report(self) -> None:
        """Put the report on the clipboard."""
        QgsApplication.clipboard().setText(report(self._work.log))
        self.status.setText(tr("The report is on the clipboard: paste it into the bug tracker."))

    def _cancel(self) -> None:
        self._work.cancel()
        self.status.setText(tr("Stopping …"))

    def _choose_bundle(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, tr("Install from bundle"), "", tr("Bundles") + f" (*{SUFFIX});;" + tr("All files") + " (*)"
        )
        if name:
            self.install_from(Path(name))

    def _choose_new_bundle(self) -> None:
        suggested = f"msr-engine-{platform_name()}-{self.variant}{SUFFIX}"
        name, _ = QFileDialog.getSaveFileName(
            self, tr("Make a bundle"), suggested, tr("Bundles") + f" (*{SUFFIX})"
        )
        if name:
            self._try(lambda: begin_bundle(Path(name), self.variant, self.sets))

    def _try(self, begin: Callable[[], None]) -> None:
        try:
            begin()
        except InstallProblem as problem:
            self.status.setText(str(problem))
            return
        self._pace = Pace()
        self._show_state()

    def _show_state(self) -> None:
        busy = self._work.busy
        can = bool(self._plans)
        for widget in (self.cpu, self.cuda, self.training, self.bundle_button):
            widget.setEnabled(not busy)
        for widget in (self.install_button, self.make_button):
            widget.setEnabled(not busy and can)
        self.cancel_button.setEnabled(busy)
        self.bar.setVisible(busy)
        if busy:
            self._show_progress(self._work.progress)
        elif self._work.sentence:
            self.status.setText(self._work.sentence)

    def _show_progress(self, progress: InstallProgress) -> None:
        left = time_text(self._pace.left(progress))
        self.bar.setRange(0, 1000 if progress.total else 0)
        if not progress.total:
            self.status.setText(f"{progress.phase} …")
            return
        self.bar.setValue(int(1000 * progress.done / progress.total))
        size = tr("{} of {}").format(bytes_text(progress.done), bytes_text(progress.total))
        self.status.setText(", ".join(filter(None, (progress.phase, size, left))))

    def _show_line(self, line: str) -> None:
        self.log.appendPlainText(line)
        end = self.log.verticalScrollBar()
        end.setValue(end.maximum())

    def _show_end(self, fine: bool, sentence: str) -> None:
        self.install_button.setText(tr("Install again") if fine else tr("Try again"))
        self._show_state()
        self.status.setText(sentence)


def description(plan: InstallPlan) -> str:
    """Return what an installation takes, in lines."""
    if plan.python is None:
        python = tr("{}, downloaded too, as there is none here that fits").format(plan.lock.python_version)
    else:
        python = tr("{} of this machine ({})").format(plan.python.version, plan.python.path)
    lines = [
        tr(
            "The engine does the computing. It is a Python environment of its own: nothing is installed into "
            "QGIS, and Remove engine takes it away again."
        ),
        "",
        tr("Place: {}").format(engines_folder()),
        tr("Download: {} from {}").format(bytes_text(plan.download), ", ".join(plan.hosts)),
        tr("On disk: about {}{}").format(bytes_text(plan.on_disk), _free()),
        tr("Python: {}").format(python),
        tr("Every file is checked against the checksum that came with the plugin."),
    ]
    if plan.unknown_checksums:
        names = ", ".join(file.name.split("-")[0] for file in plan.unknown_checksums)
        hosts = ", ".join(sorted({file.url.split("/")[2] for file in plan.unknown_checksums}))
        lines[-1] = tr(
            "Every file is checked against the checksum that came with the plugin, except {}: its checksum "
            "is the one that {} tells."
        ).format(names, hosts)
    return "\n".join(lines)


def _free() -> str:
    folder = engines_folder()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return tr(" ({} are free)").format(bytes_text(shutil.disk_usage(folder).free))
    except OSError:
        return ""
