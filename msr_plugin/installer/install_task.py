"""Work of the installer in the background, one piece at a time; dialogs come and go meanwhile."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

from qgis.core import QgsApplication, QgsTask
from qgis.PyQt.QtCore import QObject, pyqtSignal

from ..translation import tr
from ..worker.debug_log import with_log
from .problems import InstallCancelled, InstallProblem, scrubbed
from .progress import InstallProgress, Watcher

Work = Callable[[Watcher], str]
_MOST_LINES = 5000
_OFTEN = 0.1  # seconds between two reports of bytes


class BackgroundWork(QObject):
    """Runs a piece of work as a task of QGIS and keeps its log; signals come on the main thread."""

    progressed = pyqtSignal(object)
    logged = pyqtSignal(str)
    ended = pyqtSignal(bool, str)  # whether it went well, and the sentence

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []
        self.sentence = ""
        self.progress = InstallProgress("")
        self._task: _WorkTask | None = None
        self._then: Callable[[], None] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._task is not None

    def start(self, title: str, work: Work, then: Callable[[], None] | None = None) -> None:
        """Begin; `then` is called on the main thread if it went well, before `ended` is told.

        `work` returns the sentence of success.
        """
        if self._task is not None:
            return
        self.sentence = ""
        self.progress = InstallProgress(title)
        self._then = then
        task = self._task = _WorkTask(title, work)
        task.heard.connect(self._keep)
        task.moved.connect(self._move)
        task.done.connect(self._end)
        self._keep(f"--- {title}, {time.strftime('%Y-%m-%d %H:%M:%S')}")
        QgsApplication.taskManager().addTask(task)

    def cancel(self) -> None:
        """Ask it to stop."""
        if self._task is not None:
            self._task.cancel()

    def _keep(self, line: str) -> None:
        self.log.append(line)
        del self.log[:-_MOST_LINES]
        self.logged.emit(line)

    def _move(self, progress: InstallProgress) -> None:
        self.progress = progress
        self.progressed.emit(progress)

    def _end(self, fine: bool, sentence: str) -> None:
        self._task = None
        then, self._then = self._then, None
        if fine and then is not None:
            then()
        self.sentence = sentence
        self._keep(sentence)
        self.ended.emit(fine, sentence)


class _WorkTask(QgsTask):
    """The work on a thread of QGIS' own."""

    heard = pyqtSignal(str)
    moved = pyqtSignal(object)
    done = pyqtSignal(bool, str)

    def __init__(self, title: str, work: Work) -> None:
        super().__init__(title, QgsTask.Flag.CanCancel)
        self._work = work
        self._told = 0.0
        self._phase = ""
        self._sentence = ""

    def run(self) -> bool:
        """Do it (background thread)."""
        watcher = Watcher(self._tell, lambda line: self.heard.emit(scrubbed(line)), self.isCanceled)
        try:
            self._sentence = self._work(watcher)
            return True
        except InstallProblem as problem:
            self._sentence = scrubbed(str(problem))
        except Exception:  # of ours: the user gets a sentence all the same
            self._sentence = with_log(tr("It failed by a fault of the plugin."), traceback.format_exc())
        return False

    def finished(self, result: bool) -> None:
        """Tell how it ended (main thread)."""
        self.done.emit(result, self._sentence or str(InstallCancelled()))

    def _tell(self, progress: InstallProgress) -> None:
        now = time.monotonic()
        if progress.phase == self._phase and now - self._told < _OFTEN:
            return
        self._phase, self._told = progress.phase, now
        if progress.total:
            self.setProgress(100.0 * progress.done / progress.total)
        self.moved.emit(progress)


_background: list[BackgroundWork] = []


def background_work() -> BackgroundWork:
    """Return the one that all dialogs share."""
    if not _background:
        _background.append(BackgroundWork())
    return _background[0]
