"""`python -m training.results`: every published number again, and whether the claims hold."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import torch

from engine.compute.allocator import keep_freed_memory
from engine.errors import EngineError, InputError
from training.console.command import main
from training.evaluation.comparison import MEMBERS
from training.records.record import committed
from training.results.claims.claim import ResultsSection, claims_table
from training.results.claims.context import ResultsContext
from training.results.claims.learned import encoded_gan, learned_baselines
from training.results.claims.moselle import moselle
from training.results.claims.rain import rain_ensemble, rain_in_space, rain_in_time
from training.results.claims.snow import make_store, snow, snow_calendar, snow_in_space
from training.results.claims.sources import ablations, main_claim, source_gains
from training.results.rerun import find, rerun, side_by_side

PARTS: dict[str, Callable[[ResultsContext], ResultsSection]] = {
    "rain_in_time": rain_in_time,
    "rain_in_space": rain_in_space,
    "rain_ensemble": rain_ensemble,
    "snow": snow,
    "snow_calendar": snow_calendar,
    "snow_in_space": snow_in_space,
    "source_gains": source_gains,
    "ablations": ablations,
    "main_claim": main_claim,
    "encoded_gan": encoded_gan,
    "learned_baselines": learned_baselines,
    "moselle": moselle,
}


# Parts that use the same evaluations go together; those that take longest are begun first.
TOGETHER = (
    ("snow",),
    ("rain_in_time", "rain_in_space", "rain_ensemble", "main_claim"),
    ("source_gains",),
    ("snow_calendar",),
    ("snow_in_space",),
    ("ablations", "encoded_gan", "learned_baselines", "moselle"),
)
PROCESSES = 2


def sections(context: ResultsContext, parts: Sequence[str]) -> list[ResultsSection]:
    """Return the parts of the results; one that lacks a model, data or a record says so in a line."""
    found = []
    for part in parts:
        try:
            found.append(PARTS[part](context))
        except EngineError as error:
            found.append(ResultsSection(part.replace("_", " ").capitalize()).lack(str(error)))
    return found


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
        found = {part: section for job, done in pending for part, section in zip(job, done.result())}
    return [found[part] for part in parts]


def _one_thread() -> None:
    keep_freed_memory()
    torch.set_num_threads(1)


def _job(parts: Sequence[str], members: int, quick: bool) -> list[ResultsSection]:
    return sections(ResultsContext(_tell, members, quick, simulate=False), parts)


def told(found: Sequence[ResultsSection]) -> str:
    """Return tables and claims as text."""
    parts = []
    for section in found:
        lines = [section.title, "=" * len(section.title)]
        if section.text:
            lines.append(section.text)
        shown = [f for f in section.figures if f.low == f.low]  # the others stand in the tables
        for claims in (shown, section.claims):
            if claims:
                lines += ["", claims_table(claims)]
        lines += [f"Missing. {line}" for line in section.missing]
        parts.append("\n".join(lines))
    claims = [claim for section in found for claim in section.claims]
    held = sum(bool(claim.holds) for claim in claims)
    parts.append(f"{held} of {len(claims)} claims hold.")
    return "\n\n".join(parts)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m training.results",
        description="Compute every published figure again: from the shipped models what needs no training, "
        "from committed records what does; and say which claims hold.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line: claim, value, low, …")
    parser.add_argument("--only", default="", help=f"parts, by comma: {', '.join(PARTS)}")
    parser.add_argument("--members", type=int, default=MEMBERS, help="of ensembles (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="without boosted trees and further metrics")
    parser.add_argument(
        "--processes",
        type=int,
        default=min(PROCESSES, os.cpu_count() or 1),
        help="that share the parts, each of one thread (default: %(default)s)",
    )
    parser.add_argument("--rerun", metavar="ID", help="repeat the run of one record, old beside new numbers")
    options = parser.parse_args(arguments)
    if options.rerun:
        record = find(committed(), options.rerun)
        again = rerun(record, _tell)
        if options.json:
            print(json.dumps({"id": record.id, "recorded": record.metrics, "again": again}))
        else:
            print(f"{record.id}: {record.command}\n{side_by_side(record, again)}")
        return 0
    parts = [part for part in options.only.split(",") if part] or list(PARTS)
    for part in parts:
        if part not in PARTS:
            raise InputError(f"--only: there is no part {part} (there are: {', '.join(PARTS)}).")
    begun = time.monotonic()
    context = ResultsContext(_tell, options.members, options.quick)
    if options.processes > 1 and len(parts) > 1:
        _make_store(context, parts)
        found = in_processes(parts, options.members, options.quick, options.processes)
    else:
        found = sections(context, parts)
    if options.json:
        for section in found:
            for claim in (*section.figures, *section.claims):
                print(json.dumps(claim.to_json(), ensure_ascii=False))
            for line in section.missing:
                _tell(f"Missing. {line}")
    else:
        print(told(found))
    _tell(f"Done in {(time.monotonic() - begun) / 60:.1f} minutes.")
    return 0


def _make_store(context: ResultsContext, parts: Sequence[str]) -> None:
    """Make the simulated store before several processes look for it; a part without it says so."""
    if any(part.startswith("snow") or part == "source_gains" for part in parts):
        try:
            make_store(context)
        except EngineError as error:
            _tell(str(error))


def _tell(text: str) -> None:
    """Say what happens; standard output is for the results."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(run)
