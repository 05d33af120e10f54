"""Fixtures for the plugin's tests: real QGIS, a profile of its own, and the engine where it is made."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def fake_worker() -> Path:
    """A program that speaks the worker's protocol and misbehaves on request."""
    return Path(__file__).with_name("fake_worker.py")


@pytest.fixture
def start_fake(fake_worker, monkeypatch):
    """Start the fake worker with a behaviour; stopped at the end of the test."""
    from msr_plugin.engine_process import EngineProcess

    started = []

    def start(behaviour: str) -> EngineProcess:
        process = EngineProcess(
            Path(sys.executable), ROOT, "0.1.0", dict(os.environ), ["-u", str(fake_worker), behaviour]
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop()
