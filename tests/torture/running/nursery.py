"""A process that has imported everything and forks for each command: many more of them in the same time.

`python -m tests.torture.running.nursery` reads one JSON object a line: module, argv, cwd, environment,
stdin, stdout, stderr (paths), limits; answers {"pid": …} and, when that one has ended, {"status": …}.
"""

from __future__ import annotations

import json
import os
import resource
import runpy
import signal
import sys
import traceback
from typing import Any

LIBRARIES = (
    *("numpy", "torch", "rasterio", "rasterio.warp", "rasterio.shutil", "pyproj", "odc.geo.geobox", "xarray"),
    *(
        "zarr",
        "dask.array",
        "yaml",
        "pydantic",
        "cftime",
        "pint",
        "jsonschema",
        "safetensors.torch",
        "scipy.stats",
    ),
    *("netCDF4", "matplotlib.figure", "filelock", "tqdm", "engine.commands.jobs", "engine.commands.worker"),
    *("engine.pipeline.super_resolve", "training.preparation.prepare", "training.cascade.train"),
    *("training.data.readers", "training.data.store", "training.data.split", "engine.models.loading"),
)

MOST_MEMORY = 3 * 2**30  # bytes that a case may use at all: the machine is needed for the others


def _stream(path: str | None, number: int, flags: int) -> None:
    if path == "closed":
        os.close(number)
        return
    opened = os.open(path or os.devnull, flags, 0o600)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


def _limit(limits: dict[str, int | None]) -> None:
    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (limits.get("address") or MOST_MEMORY),) * 2)
    if limits.get("files"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits["files"] or 0,) * 2)
    if limits.get("file_size"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits["file_size"] or 0,) * 2)


def _child(wanted: dict[str, Any]) -> None:
    """Become the command; never returns."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        _stream(wanted.get("stdin"), 0, os.O_RDONLY)
        _stream(wanted["stdout"], 1, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        _stream(wanted["stderr"], 2, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.environ.clear()
        os.environ.update(wanted["environment"])
        os.chdir(wanted["cwd"])
        sys.argv = [wanted["module"], *wanted["argv"]]
        _limit(wanted.get("limits") or {})
        runpy.run_module(wanted["module"], run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)


def main() -> None:
    """Serve until the input ends."""
    out = os.dup(1)
    os.dup2(2, 1)
    for name in LIBRARIES:
        try:
            __import__(name)
        except ImportError:  # the command that needs it will say so
            print(f"nursery: {name} cannot be imported", file=sys.stderr)
    os.write(out, b'{"ready": true}\n')
    for line in sys.stdin.buffer:
        wanted = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.close(out)
            _child(wanted)
        os.write(out, json.dumps({"pid": pid}).encode() + b"\n")
        _, code, used = os.wait4(pid, 0)
        answer = {"status": os.waitstatus_to_exitcode(code), "memory": used.ru_maxrss * 1024}
        os.write(out, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
