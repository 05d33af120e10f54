"""The parts of the results, and their computing in several processes."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import torch

from engine.compute.allocator import keep_freed_memory
from engine.errors import EngineError
from training.results.claims.another_climate import another_climate
from training.results.claims.claim import ResultsSection
from training.results.claims.context import ResultsContext
from training.results.claims.defaults import defaults
from training.results.claims.hidden_truth import hidden_truth
from training.results.claims.learned import encoded_gan, learned_baselines
from training.results.claims.measured_snow import measured_snow
from training.results.claims.member_generators import member_generators
from training.results.claims.moselle import moselle
from training.results.claims.rain import rain_ensemble, rain_in_space, rain_in_time
from training.results.claims.snow import snow, snow_calendar, snow_in_space
from training.results.claims.sources import ablations, main_claim, source_gains

PARTS: dict[str, Callable[[ResultsContext], ResultsSection]] = {
    "rain_in_time": rain_in_time,
    "rain_in_space": rain_in_space,
    "rain_ensemble": rain_ensemble,
    "member_generators": member_generators,
    "snow": snow,
    "snow_calendar": snow_calendar,
    "snow_in_space": snow_in_space,
    "source_gains": source_gains,
    "ablations": ablations,
    "main_claim": main_claim,
    "encoded_gan": encoded_gan,
    "learned_baselines": learned_baselines,
    "moselle": moselle,
    "hidden_truth": hidden_truth,
    "another_climate": another_climate,
    "measured_snow": measured_snow,
    "defaults": defaults,
}

# Parts that use the same evaluations go together; those that take longest are begun first.
TOGETHER = (
    ("snow",),
    ("rain_in_time", "rain_in_space", "rain_ensemble", "main_claim"),
    ("source_gains",),
    ("snow_calendar",),
    ("snow_in_space",),
    (
        *("ablations", "encoded_gan", "learned_baselines", "moselle", "hidden_truth", "another_climate"),
        *("member_generators", "measured_snow", "defaults"),
    ),
)
ON_SIMULATED_SNOW = {"snow", "snow_calendar", "snow_in_space", "source_gains"}
PROCESSES = 2


def sections(context: ResultsContext, parts: Sequence[str]) -> list[ResultsSection]:
    """Return the parts of the results; one that lacks a model, data or a record says so in a line."""
    filled = []
    for part in parts:
        try:
            filled.append(PARTS[part](context))
        except EngineError as error:
            filled.append(ResultsSection(part.replace("_", " ").capitalize()).lack(str(error)))
    return filled


def in_processes(parts: Sequence[str], members: int, quick: bool, processes: int) -> list[ResultsSection]:
    """Return the parts' sections in their order, computed by several processes of one thread each.

    Raises:
        EngineError: as `sections`.
    """
    jobs = [[part for part in group if part in parts] for group in TOGETHER]
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes to come
    methods = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, methods, initializer=_one_thread) as pool:
        pending = [(job, pool.submit(_job, job, members, quick)) for job in jobs if job]
        by_part = {part: section for job, done in pending for part, section in zip(job, done.result())}
    return [by_part[part] for part in parts]


def _one_thread() -> None:
    keep_freed_memory()
    torch.set_num_threads(1)


def _job(parts: Sequence[str], members: int, quick: bool) -> list[ResultsSection]:
    return sections(ResultsContext(tell, members, quick, simulate=False), parts)


def tell(text: str) -> None:
    """Say what happens; standard output is for the results."""
    print(text, file=sys.stderr, flush=True)
