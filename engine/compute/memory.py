"""How much memory is left, and how to tell that it ran out.

What a tile needs, each method tells by its `bytes_per_cell`; `engine.pipeline.tiles.edge` cuts tiles by it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

UNLIMITED = 2**60
# torch has a class of its own only for some allocators; the others raise a plain RuntimeError.
_OUT_OF_MEMORY_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "alloc_failed",
    "std::bad_alloc",
    "could not create a primitive",  # oneDNN's
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether the error, or one that it was raised from, means that memory ran out."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError) or type(error).__name__.endswith("OutOfMemoryError"):
            return True
        if isinstance(error, RuntimeError) or type(error).__module__.startswith("rasterio"):
            text = str(error).lower()
            if any(words in text for words in _OUT_OF_MEMORY_WORDS):
                return True
        error = error.__cause__ or error.__context__
    return False


def free_memory(device: torch.device | str = "cpu") -> int:
    """Return the bytes that a job may still take on a device.

    On the processor: what the system can give without swapping, or what is left under the limit
    of the process's control group when that is less.
    """
    import torch

    device = torch.device(device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + cached)
    available = system_memory()
    if device.type == "mps":  # shared with the processor
        own = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
        return max(0, min(int(own), available))
    return available


def system_memory() -> int:
    """Return the bytes that the system can give to this process without swapping."""
    import psutil

    return max(0, min(int(psutil.virtual_memory().available), cgroup_memory()))


def cgroup_memory(proc: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes left under the tightest memory limit of this process's control groups.

    Knows versions 1 and 2 of Linux's control groups; `UNLIMITED` where there is no limit.
    """
    try:
        lines = proc.read_text().splitlines()
    except OSError:  # not Linux
        return UNLIMITED
    left = UNLIMITED
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            base, names = root, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            base = root / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # In a container the path may be the host's, of which only the root is seen here.
        folder = base / group.lstrip("/")
        for place in (folder, *folder.parents):
            left = min(left, _left_in(place, *names))
            if place == base:
                break
    return left


def _left_in(folder: Path, limit_file: str, usage_file: str, reclaimable: str) -> int:
    try:
        limit = int((folder / limit_file).read_text())
        used = int((folder / usage_file).read_text())
    except (OSError, ValueError):  # absent, or "max"
        return UNLIMITED
    try:
        pairs = [line.split() for line in (folder / "memory.stat").read_text().splitlines()]
        cached = next((int(p[1]) for p in pairs if p and p[0] == reclaimable), 0)
    except (OSError, ValueError, IndexError):
        cached = 0
    return max(0, limit - used + cached) if limit < UNLIMITED else UNLIMITED
