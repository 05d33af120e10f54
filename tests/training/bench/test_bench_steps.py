"""Steps of this tree beside those of another, in turns, in processes of their own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from engine.errors import EngineError, InputError
from engine.files.root import ROOT
from training.bench import steps
from training.bench.steps import Stepper, report, unpacked

TINY = ROOT / "training" / "configs" / "tiny.yaml"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another tree of the same packages."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for room in ("engine", "training"):
        (tree / room).symlink_to(ROOT / room)
    return tree


def test_two_trees_take_the_same_steps(other, capsys, monkeypatch):
    monkeypatch.setattr(steps, "unpacked", lambda revision, folder: other)
    arguments = ["--config", str(TINY), "--against", "before", "--steps", "4", "--threads", "1", "--profile"]
    assert steps.run([*arguments, "--json"]) == 0
    ((new, old),) = json.loads(capsys.readouterr().out).values()
    assert new["plan"] == old["plan"] and new["losses"] == old["losses"]
    assert len(new["losses"]) == steps.WARM + 4 and len(set(new["losses"])) > 2
    assert new["rate"] > 0 and any("convolution" in name for name in new["profile"])
    told = report([new, old], ["this tree", "before"], "tiny.yaml", 1)
    assert "losses differ by 0.0e+00 of themselves at most" in told
    assert "ratio" in told and "before: " in told and "ms of operations in a step" in told


def test_what_an_ended_process_said_stands_above(tmp_path, capfd):
    config = tmp_path / "gone.yaml"
    settings = TINY.read_text(encoding="utf-8").replace("steps:", "nosuchkey: 1\nsteps:", 1)
    config.write_text(settings, encoding="utf-8")
    with pytest.raises(EngineError, match="ended"), Stepper(ROOT, config, {}, 0, 1):
        pass
    assert "nosuchkey" in capfd.readouterr().err


def test_a_process_runs_the_packages_of_its_tree(tmp_path):
    package = tmp_path / "training"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('another tree')", encoding="utf-8")
    with pytest.raises(EngineError, match="ended"), Stepper(tmp_path, TINY, {}, 0, 1):
        pass


def test_a_revision_is_unpacked(tmp_path):
    if subprocess.run(["git", "-C", str(ROOT), "rev-parse"], capture_output=True, check=False).returncode:
        pytest.skip("no checkout")
    tree = unpacked("HEAD", tmp_path)
    assert (tree / "engine" / "__init__.py").is_file() and (tree / "training" / "train.py").is_file()
    with pytest.raises(InputError, match="--against: git gives no revision nosuch"):
        unpacked("nosuch", tmp_path)
