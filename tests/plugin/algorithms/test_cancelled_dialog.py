"""What QGIS' own dialog shows of a run that is cancelled."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy
import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtWidgets import QTextEdit

from msr_plugin.algorithms import engine_run
from msr_plugin.algorithms.engine_run import Reporter, news
from msr_plugin.appearance.cancelled import call_it_cancelled
from msr_plugin.worker.engine_service import SERVICE


@pytest.fixture
def dialog(provider, qgis_iface, monkeypatch):
    """The real dialog of the simple methods."""
    from processing.gui import AlgorithmDialog as module
    from processing.gui import ParametersPanel

    monkeypatch.setattr(ParametersPanel, "iface", None)
    opened = module.AlgorithmDialog(provider.algorithm("baseline").create())
    yield opened
    opened.close()


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        QgsApplication.processEvents()
        time.sleep(0.01)
    assert condition()


def log_of(dialog):
    return "\n".join(edit.toPlainText() for edit in dialog.findChildren(QTextEdit))


def test_the_log_says_cancelled_and_nothing_of_a_failure(dialog, write_raster, tmp_path):
    target = write_raster("large.tif", numpy.ones((400, 400)), resolution=0.1, top=20)
    output = tmp_path / "fine.tif"
    dialog.setParameters({"TARGET": target, "FACTOR": 20, "TILE": 4, "OUTPUT": str(output)})
    ended = []
    dialog.algorithmFinished.connect(lambda *_: ended.append(True))
    SERVICE.run("models", {}, lambda message: None)
    dialog.runAlgorithm()
    wait_for(lambda: "Super-resolving" in log_of(dialog))
    dialog.cancelButton().click()
    wait_for(lambda: "Cancelled." in log_of(dialog) and not dialog.cancelButton().isEnabled())
    wait_for(lambda: dialog.feedback is None)
    assert "failed" not in log_of(dialog)
    assert not output.exists()
    assert "models" in SERVICE.run("models", {}, lambda message: None)  # by this worker or, if busy, another


def test_an_error_is_still_told(dialog, feedback):
    call_it_cancelled(feedback)  # which is not cancelled
    feedback.reportError("a disk is full")
    assert feedback.said["error"] == ["a disk is full"]
    feedback.cancel()
    call_it_cancelled(feedback)
    feedback.reportError("Execution failed after 3 seconds")
    feedback.reportError("another")
    assert feedback.said["error"] == ["a disk is full", "another"]


def test_a_worker_that_had_to_be_ended_is_replaced(provider, feedback, monkeypatch):
    from msr_plugin.worker.engine_process import WorkerCancelled

    for clean, warmed in ((True, []), (False, [True])):
        done = []

        def run(*_, clean=clean):
            raise WorkerCancelled(clean)

        monkeypatch.setattr(
            engine_run, "SERVICE", SimpleNamespace(run=run, warm_up=lambda done=done: done.append(True))
        )
        assert engine_run.run_engine("super_resolve", {}, feedback) is None
        assert done == warmed


def test_news_tell_the_time_left_of_one_tile_and_of_many(qgis_app, feedback, monkeypatch):
    message = {"tiles_done": 3, "tiles_total": 40, "seconds_left": 130.0}
    assert news("Super-resolving", message, 0.2) == "Super-resolving: tile 3 of 40, about 2 min left"
    one = {"tiles_done": 0, "tiles_total": 1, "seconds_left": 30, "phase": "Super-resolving", "fraction": 0.4}
    monkeypatch.setattr(engine_run, "FIRST_NEWS_SECONDS", -1.0)
    reporter = Reporter(feedback)
    reporter({**one, "seconds_left": None})
    reporter(one)
    assert feedback.said["phase"] == ["Super-resolving", "Super-resolving: 40%, about 30 s left"]
    writing = {"phase": "Writing the output", "fraction": 0.6, "tiles_done": 40, "tiles_total": 40}
    reporter({**writing, "seconds_left": 12})
    assert feedback.said["phase"][-1] == "Writing the output: 60%, about 12 s left"
