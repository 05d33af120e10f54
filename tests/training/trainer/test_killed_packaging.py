"""A training that is killed while it writes its package: nothing half-written stays under a name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from engine.files.root import ROOT

_KILLED = """
import os, signal, sys
import engine.package.folder as folder
def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
folder.load_package = kill  # called as soon as all files are written, before they get their name
from training.train import run
run(sys.argv[1:])
"""


def test_a_training_killed_at_its_package_resumes_and_tidies(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    arguments = [str(ROOT / "training/configs/tiny.yaml"), "--runs", str(runs), "--threads", "1", "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", _KILLED, *arguments], cwd=ROOT, env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    folder = next(p for p in runs.iterdir() if not p.name.startswith("."))
    assert not (folder / "package").exists()
    assert [p.name for p in folder.iterdir() if ".part" in p.name]
    command = [sys.executable, "-m", "training.train", *arguments, "--resume"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    assert (folder / "package" / "card.json").is_file()
    assert [p.name for p in folder.rglob("*") if ".part" in p.name] == []
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("tmp")] == []
