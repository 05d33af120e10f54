"""Commands that a signal ends: nothing half-written stays, and the status is the signal's."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.source_tree import ROOT

_COMMAND = """
import signal, sys, time
from pathlib import Path
from engine.files.atomic import new_file, new_folder
from training.console.command import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in a shell's background ignores it
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and so does what nohup runs
folder, how = Path(sys.argv[1]), sys.argv[2]
def run():
    with new_folder(folder / "store") as fresh, new_file(folder / "a.txt") as path:
        fresh.mkdir()
        path.write_text("half")
        print("ready", flush=True)
        if how == "computes":  # the main thread does not come to hear the signal
            import torch
            torch.set_num_threads(1)
            a = torch.ones(20_000, 20_000, dtype=torch.int8)
            a.sort(0)
        time.sleep(600)
    return 0
main(run)
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
@pytest.mark.parametrize("how", ["waits", "computes"])
def test_a_signal_ends_a_command_and_leaves_nothing(tmp_path: Path, name: str, status: int, how: str) -> None:
    command = [sys.executable, "-c", _COMMAND, str(tmp_path), how]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(getattr(signal, name))
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (status, "Stopped.\n")
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    program = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from training.console.command import main\n"
        "def run():\n    os.kill(os.getpid(), signal.SIGHUP)\n    return 7\nmain(run)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 7


def test_a_librarys_error_after_a_signal_is_no_fault_of_ours(tmp_path: Path) -> None:
    code = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from training.console.command import main
def run():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(10 ** 7):
            pass
    except KeyboardInterrupt:
        raise RuntimeError("a call of a library was cut off")
    return 0
main(run)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (130, "Stopped.\n")


def test_what_a_signal_leaves_half_made_is_not_told_of() -> None:
    code = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from training.console.command import main
class Loop:
    def __init__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(10 ** 7):
            pass
        self.pipe = 1
    def __del__(self):
        self.pipe
main(lambda: bool(Loop()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (130, "Stopped.\n")
