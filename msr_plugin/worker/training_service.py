"""The worker that trains: a process beside the engine's, which goes on serving meanwhile."""

from __future__ import annotations

import atexit
from pathlib import Path

from ..folders import ROOT
from ..metadata import plugin_version
from .engine_process import EngineProcess
from .engine_service import EngineService
from .environment import scrubbed_environment

IDLE_SECONDS = 120  # after which it ends: trainings are rare, and it holds memory
ASKED_SECONDS = 17.0  # to obey a cancel: it finishes a step and keeps a checkpoint


def start_training_worker(python: Path) -> EngineProcess:
    """Start the worker of training that lies beside this plugin with the engine's interpreter."""
    arguments = ["-u", "-s", "-m", "training.worker", "--host-version", plugin_version()]
    arguments += ["--idle-seconds", str(IDLE_SECONDS)]
    return EngineProcess(python, ROOT, plugin_version(), scrubbed_environment(), arguments, ASKED_SECONDS)


TRAINING = EngineService(start_training_worker)
atexit.register(TRAINING.stop)
