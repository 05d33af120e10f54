"""A worker whose parent is killed ends, and takes its temporary files along."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from engine.files.root import ROOT

PATIENCE = 60.0  # seconds before a test gives up

PARENT = """
import json, os, subprocess, sys, time
read, write = os.pipe()
os.set_inheritable(write, True)
command = [sys.executable, "-u", sys.argv[1], "none", "600"]
child = subprocess.Popen(command, stdin=read, stdout=subprocess.PIPE)
os.close(read)
holder = None
if sys.argv[3] == "held":  # another process keeps the pipe open
    holder = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], close_fds=False)
child.stdout.readline()
request = {"output": sys.argv[2]}
os.write(write, json.dumps({"type": "run", "id": "d", "job": "deaf", "request": request}).encode() + b"\\n")
while b"Deaf" not in child.stdout.readline():
    pass
print(child.pid, holder.pid if holder else 0, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no parents that change")
@pytest.mark.parametrize("pipe", ["free", "held"])
def test_a_killed_parent(tmp_path: Path, pipe: str) -> None:
    stand_in = Path(__file__).with_name("stand_in_worker.py")
    root = ROOT
    arguments = [sys.executable, "-c", PARENT, str(stand_in), str(tmp_path / "o.tif"), pipe]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    parent = subprocess.Popen(arguments, stdout=subprocess.PIPE, env=environment)
    pid, holder = map(int, parent.stdout.readline().split())
    child = psutil.Process(pid)
    assert len(os.listdir(tmp_path)) == 1
    try:
        parent.kill()
        parent.wait()
        child.wait(timeout=PATIENCE)
        assert os.listdir(tmp_path) == []
    finally:
        parent.stdout.close()
        for left in (holder, pid):
            if left and psutil.pid_exists(left):
                psutil.Process(left).kill()
