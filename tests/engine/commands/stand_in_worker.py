"""A worker with stand-ins among its jobs; tests start it as a program: HOST_VERSION IDLE_SECONDS."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

from engine.commands import jobs, worker
from engine.files import partial_files


def part(request):
    path = partial_files.partial_path(Path(request["output"]))
    path.write_bytes(b"x")
    return path


def wait(request, feedback, state):
    path = part(request)
    try:
        for step in range(10**6):
            feedback.progress(min(1, step / 1000), "Waiting", step, 1000, 1.5)
            feedback.check_cancelled()
            time.sleep(0.01)
    finally:
        partial_files.discard(path)


def deaf(request, feedback, state):
    path = part(request)
    feedback.progress(0.5, "Deaf")
    if request.get("finish"):
        partial_files.finish([(path, Path(request["output"]))])
    if request.get("torch"):
        import torch

        a = torch.ones(1500, 1500)
        while True:
            a = a @ a
    time.sleep(600)


def late(request, feedback, state):
    partial_files.finish([(part(request), Path(request["output"]))])
    feedback.progress(0.5, "Late")
    while not feedback.cancelled.is_set():
        time.sleep(0.01)
    return {}


def noise(request, feedback, state):
    print("python", flush=True)
    os.write(1, b"{descriptor")
    sys.__stdout__.write("original\n")
    sys.__stdout__.flush()
    libc = ctypes.CDLL(None)
    libc.puts(b"C library")
    libc.fflush(None)
    subprocess.run([sys.executable, "-c", "print('child')"], check=True)
    return {"stdin": sys.stdin.read()}


def count(request, feedback, state):
    state.kept["n"] = state.kept.get("n", 0) + 1
    return {"n": state.kept["n"]}


def fail(request, feedback, state):
    import rasterio.errors

    from engine import errors

    raise {
        "input": errors.InputError("wrong\n input"),
        "memory": MemoryError(),
        "failure": ZeroDivisionError("by zero"),
        "exit": SystemExit(3),
        "rasterio": rasterio.errors.RasterioIOError("no such file"),
    }[request["what"]]


jobs.JOBS.update(
    wait=wait,
    deaf=deaf,
    late=late,
    noise=noise,
    count=count,
    fail=fail,
    echo=lambda request, feedback, state: request,
    numbers=lambda request, feedback, state: {"a": float("nan"), "b": [float("inf"), 1.5]},
    die=lambda request, feedback, state: os.kill(os.getpid(), 9),
)


if __name__ == "__main__":
    version = sys.argv[1]
    sys.exit(worker.main(None if version == "none" else version, float(sys.argv[2])))
