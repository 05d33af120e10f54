"""Where the computing time of a run goes: reading, base and features, the network, conserving, writing."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from engine.feedback import Silent
from engine.nets.downscaler import Downscaler
from engine.pipeline import estimates
from engine.pipeline.inputs import InputRasters
from engine.pipeline.method_choice import ModelCache
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.written.raster_writer import RasterWriter

STAGES: tuple[tuple[str, Any, str], ...] = (
    ("checks before", InputRasters, "early_doubts"),
    ("reading", InputRasters, "patch"),
    ("base and features", Downscaler, "prepare"),
    ("network", Downscaler, "forward"),
    ("conserving", estimates, "conserved"),
    ("writing", RasterWriter, "write"),
    ("writing", RasterWriter, "convert"),
)


def stage_shares(request: SuperResolveRequest, cache: ModelCache) -> dict[str, float]:
    """Return each stage's share of a run's computing time, on one thread, so that none waits for another.

    Args:
        request: of the run.
        cache: holds the model.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        super_resolve(request, Silent(), cache)  # files in the system's memory, as in the other measurements
        with _counted() as taken:
            start = time.process_time()
            super_resolve(request, Silent(), cache)
            whole = time.process_time() - start
    finally:
        torch.set_num_threads(threads)
    shares = {name: seconds / whole for name, seconds in taken.items()}
    return {**shares, "all else": 1 - sum(shares.values())}


@contextmanager
def _counted() -> Iterator[dict[str, float]]:
    """Sum the computing seconds of each stage, in whichever thread it runs."""
    taken = {name: 0.0 for name, _, _ in STAGES}
    kept = [(place, name, getattr(place, name)) for _, place, name in STAGES]
    for (stage, place, name), (_, _, own) in zip(STAGES, kept, strict=True):
        setattr(place, name, _timed(own, stage, taken))
    try:
        yield taken
    finally:
        for place, name, own in kept:
            setattr(place, name, own)


def _timed(own: Callable[..., Any], stage: str, taken: dict[str, float]) -> Callable[..., Any]:
    @functools.wraps(own)
    def run(*args: Any, **kwargs: Any) -> Any:
        start = time.thread_time()
        try:
            return own(*args, **kwargs)
        finally:
            taken[stage] += time.thread_time() - start

    return run
