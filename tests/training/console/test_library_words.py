"""A library's words do not stand beside the sentence of a command."""

from __future__ import annotations

import subprocess
import sys

from tests.source_tree import ROOT

PROGRAM = """
import os
from engine.errors import InputError
from training.console.command import main
def run():
    os.write(2, b"Error in cpuinfo: failed to parse\\n")
    raise InputError("steps: give a whole number.")
main(run)
"""


def test_only_the_sentence_is_heard() -> None:
    command = [sys.executable, "-s", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (2, "steps: give a whole number.\n")
