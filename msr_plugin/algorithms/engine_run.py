"""A job of the engine inside a Processing run: messages to feedback, errors to sentences, tidying up."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from qgis.core import QgsApplication, QgsProcessingException, QgsProcessingFeedback
from qgis.PyQt.QtCore import QThread

from ..appearance.cancelled import call_it_cancelled
from ..appearance.units import readable_sentence
from ..compat import push_warning
from ..contract import partial_file_of
from ..translation import tr
from ..worker.debug_log import with_log
from ..worker.engine_process import WorkerCancelled, WorkerError
from ..worker.engine_service import SERVICE, EngineService
from ..worker.environment import explain_missing
from ..worker.phases import phase_words

SAY_ALL = ("input", "package", "memory", "version", "cancelled")  # errors of which the sentence says all
NEWS_SECONDS = 15.0  # how often the log tells the time left
FIRST_NEWS_SECONDS = 3.0  # into a phase, when it first does


class Reporter:
    """Hands the worker's messages to Processing's feedback (on the algorithm's own thread)."""

    def __init__(self, feedback: QgsProcessingFeedback, words: Callable[[str], str] = str) -> None:
        self.feedback = feedback
        self.words = words
        self.warnings: list[str] = []
        self._phase = ""
        self._told = time.monotonic()
        self._pause = FIRST_NEWS_SECONDS

    def __call__(self, message: Mapping[str, Any]) -> None:
        """Pass on a progress or log message; one that is malformed is dropped."""
        with contextlib.suppress(TypeError, ValueError):
            if message.get("type") == "log":
                self._log(str(message.get("message", "")), str(message.get("level", "info")))
            else:
                self._progress(message)

    def _log(self, text: str, level: str) -> None:
        if level in ("warning", "error"):
            self.warn(text)
        else:
            self.feedback.pushInfo(readable_sentence(text))

    def warn(self, text: str) -> None:
        """Show a warning in the dialog's words, each one once."""
        text = readable_sentence(self.words(text))
        if text and text not in self.warnings:
            self.warnings.append(text)
            push_warning(self.feedback, text)

    def _progress(self, message: Mapping[str, Any]) -> None:
        fraction = min(1.0, max(0.0, float(message.get("fraction") or 0.0)))
        self.feedback.setProgress(100.0 * fraction)
        phase = phase_words(str(message.get("phase") or ""))
        left = message.get("seconds_left")
        now = time.monotonic()
        if phase and phase != self._phase:
            self._phase = phase
            self._told, self._pause = now, FIRST_NEWS_SECONDS
            known = left is not None and float(left) > FIRST_NEWS_SECONDS
            self.feedback.setProgressText(news(phase, message, fraction) if known else phase)
        elif left is not None and now - self._told > self._pause:
            self._told, self._pause = now, NEWS_SECONDS
            self.feedback.setProgressText(news(phase, message, fraction))


def run_engine(
    job: str,
    request: Mapping[str, Any],
    feedback: QgsProcessingFeedback,
    outputs: Iterable[str] = (),
    words: Callable[[str], str] = str,
    service: EngineService | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any] | None:
    """Run a job in the warm worker; return its result, or None when the user cancelled.

    `service` and `reporter` stand in for the engine's own, for other workers.

    After a cancel or a death of the worker, neither `outputs` nor parts of them are left. `words` puts the
    engine's sentences into those of the dialog.

    Raises:
        QgsProcessingException: it failed; plain words for the user, the detail is in the log.
    """
    reporter = reporter or Reporter(feedback, words)
    try:
        result = (service or SERVICE).run(job, request, reporter, lambda: _is_cancelled(feedback))
    except WorkerCancelled as error:
        # The worker may have finished just when it was asked to stop: that output was not wanted.
        tidy(outputs, error.pid, final=error.late)
        call_it_cancelled(feedback)
        if service is None and not error.clean:  # it had to be ended: the next run shall find one warm
            SERVICE.warm_up()
        return None
    except WorkerError as error:
        tidy(outputs, error.pid, final=False)
        sentence = readable_sentence(words(str(error)))
        if error.kind not in SAY_ALL:
            sentence = with_log(sentence, error.detail)
        if error.kind == "start":
            sentence = explain_missing(sentence)
        raise QgsProcessingException(sentence) from None  # a traceback would stand before it in the log
    for text in result.get("warnings") or []:
        reporter.warn(str(text))
    return result


def _is_cancelled(feedback: QgsProcessingFeedback) -> bool:
    """Return whether the user cancelled.

    A batch dialog, before QGIS 3.36 at least, runs on the main thread: there nobody would hear
    the cancel button, and the window would freeze, while the worker is busy.
    """
    application = QgsApplication.instance()
    if application is not None and QThread.currentThread() == application.thread():
        application.processEvents()
    return feedback.isCanceled()


def tidy(outputs: Iterable[str], pid: int | None, final: bool) -> None:
    """Remove what a stopped worker left beside the outputs; the outputs too where `final`."""
    paths = [Path(output) for output in outputs if output]
    for path in paths if final else ():
        _remove(path)
    if pid is None:
        return
    partial = partial_file_of(pid)
    for folder in {path.parent for path in paths}:
        with contextlib.suppress(OSError):
            for beside in list(folder.iterdir()):
                if partial.search(beside.name):
                    _remove(beside)


def _remove(path: Path) -> None:
    """Remove a file or store; one that a dying worker still holds open (on Windows) once it lets go."""
    for wait in (0.1, 0.2, 0.4, 0.8, 0.0):
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except PermissionError:
            time.sleep(wait)
        except OSError:
            return
        else:
            return


def news(phase: str, message: Mapping[str, Any], fraction: float) -> str:
    """Return a line on how far a job is and how long it has left."""
    done, total = int(message.get("tiles_done") or 0), int(message.get("tiles_total") or 0)
    where = tr("tile {} of {}").format(done, total) if total > 1 and done < total else f"{fraction:.0%}"
    return tr("{}: {}, about {} left").format(phase, where, duration(float(message["seconds_left"])))


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 90:
        return tr("{:.0f} s").format(seconds)
    return tr("{:.0f} min").format(seconds / 60) if seconds < 5400 else tr("{:.1f} h").format(seconds / 3600)
