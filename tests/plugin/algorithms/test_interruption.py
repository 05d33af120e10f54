"""Runs that are stopped: cancel, a worker that is killed or hangs, an engine that cannot start."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy
import pytest
from qgis.core import QgsProcessingException

from msr_plugin.worker.engine_service import SERVICE


def run(identity, parameters, feedback=None):
    """Run an algorithm as scripts do."""
    import processing

    return processing.run(identity, parameters, feedback=feedback)


def leftovers(folder):
    return [p.name for p in Path(folder).iterdir() if ".part" in p.name]


@pytest.fixture
def long_run(write_raster, tmp_path):
    """Parameters of a run that takes many tiles."""
    values = numpy.random.default_rng(1).gamma(2, 4, (400, 400))
    target = write_raster("large.tif", values, resolution=0.1, top=20)
    return {
        "TARGET": target,
        "METHOD": "bicubic",
        "FACTOR": 20,
        "TILE": 8,
        "OUTPUT": str(tmp_path / "large_fine.tif"),
    }


def warm_up(rasters, tmp_path):
    """Start the worker, so that what follows meets it at work."""
    run("msr:baseline", {"TARGET": rasters["target"], "FACTOR": 2, "OUTPUT": str(tmp_path / "warm.tif")})


def at_the_first_tile(feedback, act):
    """Do something as soon as the worker is at work on tiles."""
    feedback.progressChanged.connect(lambda value: act() if value > 1 else None)


def test_cancel_leaves_nothing_and_the_next_run_works(provider, rasters, long_run, tmp_path, feedback):
    warm_up(rasters, tmp_path)
    at_the_first_tile(feedback, feedback.cancel)
    result = run("msr:baseline", long_run, feedback)
    assert "RESIDUAL" not in result
    assert feedback.isCanceled()
    assert not Path(long_run["OUTPUT"]).exists()
    assert leftovers(tmp_path) == []
    warm_up(rasters, tmp_path)


def test_a_run_on_the_main_thread_hears_the_cancel_button(provider, rasters, long_run, tmp_path, feedback):
    from qgis.PyQt.QtCore import QTimer

    warm_up(rasters, tmp_path)
    QTimer.singleShot(300, feedback.cancel)  # an event, as a click is
    run("msr:baseline", long_run, feedback)
    assert feedback.isCanceled()
    assert not Path(long_run["OUTPUT"]).exists()


def test_a_worker_killed_in_a_run_is_one_clear_error(provider, rasters, long_run, tmp_path, feedback):
    warm_up(rasters, tmp_path)
    pid = SERVICE.pid
    killed = []

    def kill():
        if not killed:
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    at_the_first_tile(feedback, kill)
    with pytest.raises(QgsProcessingException, match=r"engine was killed \(signal 9\)"):
        run("msr:baseline", long_run, feedback)
    assert killed
    assert not Path(long_run["OUTPUT"]).exists()
    assert leftovers(tmp_path) == []
    warm_up(rasters, tmp_path)
    assert SERVICE.pid != pid


def test_a_stopped_worker_is_killed_on_cancel(provider, rasters, long_run, tmp_path, feedback):
    warm_up(rasters, tmp_path)
    pid = SERVICE.pid

    def stop():
        if not feedback.isCanceled():
            os.kill(pid, signal.SIGSTOP)  # it can neither answer nor obey SIGTERM
            feedback.cancel()

    at_the_first_tile(feedback, stop)
    run("msr:baseline", long_run, feedback)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not Path(long_run["OUTPUT"]).exists()
    assert leftovers(tmp_path) == []
    warm_up(rasters, tmp_path)


def test_the_worker_stays_warm_and_ends_with_the_plugin(provider, rasters, tmp_path):
    from msr_plugin import classFactory

    warm_up(rasters, tmp_path)
    pid = SERVICE.pid
    warm_up(rasters, tmp_path)
    assert SERVICE.pid == pid
    classFactory(None).unload()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_engine_that_cannot_start_is_told_with_the_button(
    provider, rasters, tmp_path, monkeypatch, feedback
):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'No module named torch' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setenv("MSR_ENGINE_PYTHON", str(python))
    with pytest.raises(QgsProcessingException, match=r"lacks torch.*Press Install engine"):
        run("msr:baseline", {"TARGET": rasters["target"], "FACTOR": 2, "OUTPUT": str(tmp_path / "a.tif")})


def test_a_file_that_a_dying_worker_holds_open_is_removed_once_it_lets_go(tmp_path, monkeypatch):
    from msr_plugin.algorithms import engine_run

    partial = tmp_path / "fine.tif.0123abcd-77-1.part.tif"
    partial.write_text("half")
    unlink, refusals = Path.unlink, [PermissionError(13, "held open")] * 2

    def held(self, missing_ok=False):
        if refusals:
            raise refusals.pop()
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", held)
    engine_run.tidy([str(tmp_path / "fine.tif")], 77, final=False)
    assert list(tmp_path.iterdir()) == []
