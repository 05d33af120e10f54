"""Schedulers and workers of Dask in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.files.root import ROOT


@contextmanager
def scheduler(folder: Path, engine: bool = True) -> Iterator[tuple[str, subprocess.Popen]]:
    """Give the address of a scheduler in a process of its own, which can load the engine or not."""
    file = folder / "scheduler.json"
    with subprocess.Popen(
        [
            *(sys.executable, "-s", "-m", "distributed.cli.dask_scheduler", "--no-dashboard", "--no-show"),
            *("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)),
        ],
        stderr=subprocess.DEVNULL,
        cwd=ROOT if engine else folder,
        env={name: value for name, value in os.environ.items() if engine or name != "PYTHONPATH"},
    ) as process:
        try:
            for _ in range(1200):
                if file.exists() and file.read_text():
                    break
                time.sleep(0.1)
            yield json.loads(file.read_text())["address"], process
        finally:
            process.kill()


@contextmanager
def worker(address: str) -> Iterator[subprocess.Popen]:
    """Give the process of a worker of one thread."""
    with subprocess.Popen(
        [
            *(sys.executable, "-s", "-m", "distributed.cli.dask_worker", address, "--no-dashboard"),
            *("--nthreads", "1", "--death-timeout", "60", "--no-nanny", "--host", "127.0.0.1"),
        ],
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
