"""A real training worker over real pipes, and a small valley to train on in seconds."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine
from jsonschema import Draft202012Validator

from engine.commands.worker import SCHEMA_FILE
from engine.files.root import ROOT
from engine.version import VERSION

PATIENCE = 180.0  # seconds before a test gives up
SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
SAID = Draft202012Validator({**SCHEMA, "oneOf": [{"$ref": "#/$defs/from_worker"}]})
K, SIZE = 4, 32
PLACE = Affine(1000, 0, 4_000_000, 0, -1000, 2_800_000)


class TrainingPeer:
    """A worker and the messages that came from it."""

    def __init__(self, *program: str, **environment: str) -> None:
        program = program or ("-m", "training.worker", "--host-version", VERSION)
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-s", *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        )
        self.messages: queue.Queue[dict | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.heard: list[dict] = []

    def _read(self) -> None:
        for line in self.process.stdout:
            self.messages.put(json.loads(line))
        self.messages.put(None)

    def send(self, **message: object) -> None:
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def next(self) -> dict | None:
        message = self.messages.get(timeout=PATIENCE)
        if message is not None:
            SAID.validate(message)
            self.heard.append(message)
        return message

    def until(self, wanted) -> dict | None:
        while (message := self.next()) is not None and not wanted(message):
            pass
        return message

    def job(self, job: str, **request: object) -> dict:
        """Run a job to its end; the result, or the error."""
        self.heard.clear()
        self.send(type="run", id=job, job=job, request=request)
        message = self.until(lambda m: m["type"] in ("result", "error"))
        assert message is not None, self.heard
        return message

    def log(self) -> str:
        return "\n".join(m["message"] for m in self.heard if m["type"] == "log")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()


@pytest.fixture
def start():
    """Start a worker; the program may be another one."""
    peers: list[TrainingPeer] = []

    def make(*program: str, **environment: str) -> TrainingPeer:
        peers.append(TrainingPeer(*program, **environment))
        hello = peers[-1].next()
        assert hello["type"] == "hello"
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


def write(path: Path, values: np.ndarray, transform: Affine = PLACE) -> None:
    profile = {"width": values.shape[1], "height": values.shape[0], "count": 1, "dtype": "float32"}
    with rasterio.open(path, "w", "GTiff", crs="EPSG:3035", transform=transform, **profile) as file:
        file.write(values.astype(np.float32), 1)


@pytest.fixture(scope="session")
def valley(tmp_path_factory) -> Path:
    """Two years of monthly rain that follows height, with heights and coarse means."""
    folder = tmp_path_factory.mktemp("valley")
    rng = np.random.default_rng(0)
    height = rng.gamma(2, 200, (SIZE, SIZE))
    for name in ("rain", "coarse"):
        (folder / name).mkdir()
    for number in range(24):
        season = 1 + 0.5 * np.cos(2 * np.pi * number / 12)
        rain = season * (20 + height / 20) * rng.uniform(0.9, 1.1, height.shape)
        name = f"rain_{2001 + number // 12}-{number % 12 + 1:02d}.tif"
        write(folder / "rain" / name, rain)
        means = rain.reshape(SIZE // K, K, SIZE // K, K).mean((1, 3))
        write(folder / "coarse" / name, means, PLACE * Affine.scale(K))
    write(folder / "dem.tif", height)
    return folder


@pytest.fixture
def dataset(valley) -> dict:
    """The description of the valley, as a request tells it."""
    return {
        "name": "valley",
        "title": "Rain of a valley",
        "citation": "none",
        "licence": "CC0-1.0",
        "factor": K,
        "target": {
            "name": "rain",
            "units": "mm",
            "fine": {"files": f"{valley}/rain/*.tif", "file_units": "mm"},
        },
        "sources": [{"name": "elevation", "units": "m", "grid": "fine", "files": f"{valley}/dem.tif"}],
    }


@pytest.fixture
def write_config(tmp_path):
    """Write a configuration of the valley's store that takes some steps."""

    def write_it(**changes: object) -> Path:
        settings = {
            "model": {"id": "valley4", "name": "Valley", "licence": "CC0-1.0", "citation": "none"},
            "data": {"name": "store", "options": {"path": "stores/valley.zarr"}},
            "factor": K,
            "sources": [{"name": "elevation"}],
            "network": {"kind": "perceptron", "widths": [8, 8, 8]},
            "base": "default",
            "losses": {"adversarial": None},
            "sampling": {"size": 4, "batch": 2},
            "validation": {"every": 20},
            "steps": 40,
            "precision": "float32",
            "layout": "contiguous",
        }
        path = tmp_path / "valley4.yaml"
        path.write_text(yaml.safe_dump({**settings, **changes}))
        return path

    return write_it
