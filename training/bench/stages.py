"""Where the computing time of a run goes: reading, base and features, the network, conserving, writing."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from engine.feedback import Silent
from engine.fields.ensemble import MemberMoments
from engine.fields.supported_share import SupportedShare
from engine.nets.downscaler import Downscaler
from engine.nets.generator import Generator
from engine.nets.noise import Noise
from engine.pipeline import estimates
from engine.pipeline.inputs import InputRasters
from engine.pipeline.method_choice import ModelCache
from engine.pipeline.request import SuperResolveRequest
from engine.pipeline.super_resolve import super_resolve
from engine.raster.written.raster_writer import RasterWriter

Stage = tuple[str, Any, str]  # its name, and the place and the name of a function of it

STAGES: tuple[Stage, ...] = (
    ("checks before", InputRasters, "early_doubts"),
    ("reading", InputRasters, "patch"),
    ("base and features", Downscaler, "prepare"),
    ("network", Downscaler, "_member"),
    ("conserving", estimates, "conserved"),
    ("writing", RasterWriter, "write"),
    ("writing", RasterWriter, "convert"),
)
MEMBERS_STAGES: tuple[Stage, ...] = (
    ("network", Generator, "_level"),  # of sources, once for all
    ("noise", Noise, "at"),
    ("statistics", MemberMoments, "add"),
    ("statistics", estimates, "quantiles"),
    ("statistics", SupportedShare, "add"),
    ("statistics", SupportedShare, "share"),
)


def stage_shares(
    request: SuperResolveRequest, cache: ModelCache, stages: Sequence[Stage] = STAGES
) -> dict[str, float]:
    """Return each stage's share of a run's computing time, on one thread, so that none waits for another.

    Args:
        request: of the run.
        cache: holds the model.
        stages: what is told apart; of one within another the time counts for the inner one.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        super_resolve(request, Silent(), cache)  # files in the system's memory, as in the other measurements
        with _counted(stages) as taken:
            start = time.process_time()
            super_resolve(request, Silent(), cache)
            whole = time.process_time() - start
    finally:
        torch.set_num_threads(threads)
    shares = {name: seconds / whole for name, seconds in taken.items()}
    return {**shares, "all else": 1 - sum(shares.values())}


@contextmanager
def _counted(stages: Sequence[Stage]) -> Iterator[dict[str, float]]:
    """Sum the computing seconds of each stage, in whichever thread it runs."""
    taken = {name: 0.0 for name, _, _ in stages}
    kept = [(place, name, getattr(place, name)) for _, place, name in stages]
    inner = threading.local()  # seconds of the stages within the one that a thread is in
    for (stage, place, name), (_, _, own) in zip(stages, kept, strict=True):
        setattr(place, name, _timed(own, stage, taken, inner))
    try:
        yield taken
    finally:
        for place, name, own in kept:
            setattr(place, name, own)


def _timed(
    own: Callable[..., Any], stage: str, taken: dict[str, float], inner: threading.local
) -> Callable[..., Any]:
    @functools.wraps(own)
    def run(*args: Any, **kwargs: Any) -> Any:
        before, inner.seconds = getattr(inner, "seconds", 0.0), 0.0
        start = time.thread_time()
        try:
            return own(*args, **kwargs)
        finally:
            spent = time.thread_time() - start
            taken[stage] += spent - inner.seconds
            inner.seconds = before + spent

    return run
