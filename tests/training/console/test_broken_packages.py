"""A command whose packages are missing or broken says which one, and what to do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.broken_packages import CLUSTER, ENGINE, TRAINING
from engine.files.root import ROOT
from tests.test_architecture import required

COMMANDS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for path in (ROOT / "training").rglob("*.py")
    if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
    and path.name != "peer_program.py"  # another environment's
)
# They work without torch; the worker loads packages with the job that needs them (tests/training/jobs).
WITHOUT_TORCH = (
    *("training.bench.continent", "training.bench.flat", "training.bench.scale"),
    *("training.demo.sample_rasters", "training.worker"),
)
FAULTS = {
    "missing": "raise ModuleNotFoundError(\"No module named '{0}'\", name='{0}')\n",
    "broken": "import os\nraise TypeError('cannot inherit frozen dataclass')\n",
}
SENTENCE = "The engine's Python, {}, cannot load {}: install what requirements-{}.txt lists there"


def started(module: str, arguments: list[str], folder: Path, package: str, fault: str) -> tuple[int, str]:
    """Run a command where a package cannot be imported; return status and standard error."""
    stand_in = folder / "broken" / package / "__init__.py"
    stand_in.parent.mkdir(parents=True)
    stand_in.write_text(FAULTS[fault].format(package), encoding="utf-8")
    path = os.pathsep.join((str(stand_in.parent.parent), str(ROOT)))
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("module", [module for module in COMMANDS if module not in WITHOUT_TORCH])
def test_every_command_names_what_it_cannot_import(tmp_path: Path, module: str, fault: str) -> None:
    status, told = started(module, ["--help"], tmp_path, "torch", fault)
    assert status == 1
    assert told.startswith(SENTENCE.format(sys.executable, "torch", "engine")) and told.count("\n") == 1


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_what_needs_no_torch_goes_without(tmp_path: Path, module: str) -> None:
    assert module in COMMANDS
    assert started(module, ["--help"], tmp_path, "torch", "broken") == (0, "")


@pytest.mark.parametrize(
    ("module", "arguments", "package", "listed"),
    [
        ("training.train", ["c.yaml"], "yaml", "training"),
        ("training.train", ["c.yaml"], "pydantic", "training"),
        ("training.train", ["c.yaml"], "tensorboard", "training"),
        ("training.train", ["c.yaml"], "jsonschema", "engine"),
        ("training.cross_validate", ["c.yaml"], "tensorboard", "training"),
        ("training.evaluate", ["c.yaml"], "sklearn", "training"),
        ("training.evaluate", ["c.yaml", "--no-trees", "--maps", "m.png"], "matplotlib", "training"),
        ("training.prepare", ["d.yaml"], "matplotlib", "training"),
        ("training.prepare", ["d.yaml"], "dask", "training"),
        ("training.prepare", ["d.yaml"], "zarr", "engine"),
        ("training.prepare", ["d.yaml"], "xarray", "engine"),
        ("training.simulate", ["s.yaml"], "matplotlib", "training"),
        ("training.simulate", ["s.yaml"], "scipy", "training"),
        ("training.lapse_rate", ["c.yaml", "--maps", "m.png"], "matplotlib", "training"),
        ("training.ablate", ["c.yaml"], "matplotlib", "training"),
    ],
)
def test_what_is_needed_late_is_missed_early(
    tmp_path: Path, module: str, arguments: list[str], package: str, listed: str
) -> None:
    status, told = started(module, arguments, tmp_path, package, "missing")  # as is the file
    assert status == 1
    assert told.startswith(SENTENCE.format(sys.executable, package, listed)) and told.count("\n") == 1


def test_the_lists_of_packages_are_those_of_the_requirements() -> None:
    assert set(ENGINE) == required("requirements-engine.txt")
    assert {*TRAINING, "dask"} == {re.sub(r"\[.*", "", n) for n in required("requirements-training.txt")}
    assert set(CLUSTER) == required("requirements-cluster.txt")
