"""Freed memory is kept for reuse, and given back after a job."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from engine.files.root import ROOT

SCRIPT = """
import threading, torch
from engine.compute.allocator import give_back_memory, keep_freed_memory

def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) // 1024

def work():
    before = resident()
    for _ in range(3):
        block = torch.ones(50_000_000)
        del block
    kept = resident() - before
    give_back_memory()
    print(kept, resident() - before)

assert keep_freed_memory()
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries keep blocks by themselves")
def test_a_large_block_stays_until_it_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    kept, left = map(int, done.stdout.split())
    assert kept > 150 and left < 50
