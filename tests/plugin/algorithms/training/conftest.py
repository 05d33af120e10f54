"""A small valley to train on in seconds, and training's worker with few steps."""

from __future__ import annotations

from pathlib import Path

import pytest

K, SIZE = 4, 32


@pytest.fixture(scope="session")
def training_worker_ends():
    """Ends training's worker after the last test."""
    from msr_plugin.worker.training_service import TRAINING

    yield
    TRAINING.stop()


@pytest.fixture
def training(provider, training_worker_ends):
    """The provider, with the real training worker."""
    return provider


@pytest.fixture
def quick(training, monkeypatch, root):
    """Training's worker takes few steps where a configuration leaves them open."""
    from msr_plugin.metadata import plugin_version
    from msr_plugin.worker.engine_process import EngineProcess
    from msr_plugin.worker.environment import scrubbed_environment
    from msr_plugin.worker.training_service import ASKED_SECONDS, TRAINING

    program = ["-u", "-s", str(root / "tests/training/jobs/quick_worker.py")]

    def make(python: Path) -> EngineProcess:
        return EngineProcess(python, root, plugin_version(), scrubbed_environment(), program, ASKED_SECONDS)

    TRAINING.stop()
    monkeypatch.setattr(TRAINING, "_make", make)
    yield training
    TRAINING.stop()


@pytest.fixture
def valley(write_raster, tmp_path) -> dict[str, str]:
    """Folders of two years of monthly rain, fine and coarse, and heights."""
    import numpy

    rng = numpy.random.default_rng(0)
    height = rng.gamma(2, 200, (SIZE, SIZE))
    place = {"left": 4_000_000, "top": 2_800_000, "epsg": 3035}
    for name in ("rain", "coarse"):
        (tmp_path / name).mkdir()
    for number in range(24):
        season = 1 + 0.5 * numpy.cos(2 * numpy.pi * number / 12)
        rain = season * (20 + height / 20) * rng.uniform(0.9, 1.1, height.shape)
        name = f"rain_{2001 + number // 12}-{number % 12 + 1:02d}.tif"
        write_raster(f"rain/{name}", rain, resolution=1000, units="mm", **place)
        means = rain.reshape(SIZE // K, K, SIZE // K, K).mean((1, 3))
        write_raster(f"coarse/{name}", means, resolution=1000 * K, units="mm", **place)
    dem = write_raster("dem.tif", height, resolution=1000, units="m", **place)
    return {"fine": str(tmp_path / "rain"), "coarse": str(tmp_path / "coarse"), "dem": dem}


@pytest.fixture
def write_config(tmp_path):
    """Write a configuration of the valley's store that takes some steps."""
    import json

    def write(**changes: object) -> str:
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
        path.write_text(json.dumps({**settings, **changes}))  # JSON is YAML
        return str(path)

    return write


@pytest.fixture
def prepared(training, valley, tmp_path) -> dict[str, str]:
    """What the algorithm that prepares made of the valley."""
    import processing

    return processing.run(
        "msr:prepare",
        {"NAME": "valley", "FINE": valley["fine"], "COVARIATES": [valley["dem"]], "UNITS": "mm", "FACTOR": K,
         "FOLDER": str(tmp_path)},
    )  # fmt: skip


@pytest.fixture(autouse=True)
def installed_models(qgis_app):
    """The profile's models are those of the test alone."""
    import shutil

    from msr_plugin.folders import profile_models

    shutil.rmtree(profile_models(), ignore_errors=True)
    yield profile_models()
    shutil.rmtree(profile_models(), ignore_errors=True)
