"""`python -m training.prepare DATASET.yaml`: one aligned, chunked store from rasters as they are."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from engine.errors import InputError
from training.commands import main
from training.data import diagnostics
from training.data.building import Built, build
from training.data.layout import finish
from training.data.new_store import new_store
from training.data.planning import COARSE, Plan, make_plan
from training.data.summary import write_summary
from training.dataset_config import load_dataset


@dataclass(frozen=True)
class Prepared:
    """What came of it."""

    store: Path
    summary: Path
    remarks: tuple[str, ...]


def prepare(
    description: Path,
    output: Path | None = None,
    workers: int = 2,
    overwrite: bool = False,
    strict: bool = False,
    say: Callable[[str], None] | None = None,
) -> Prepared:
    """Make the store that a description asks for, and its summary page.

    Args:
        description: the YAML file; its relative paths start from its folder.
        output: the store; by default `stores/NAME.zarr` in the working folder. The summary page lies
            beside it, as `NAME.html`.
        workers: threads that read and warp.
        overwrite: replace a store that is there.
        strict: stop at the first doubt about units or fit, before the long work.
        say: is told each remark as soon as it is known, and shows progress; None: quiet.

    Raises:
        InputError: the description or its rasters are wrong.
    """
    dataset = load_dataset(description)
    final = output or Path("stores") / f"{dataset.name}.zarr"
    plan = make_plan(dataset, description.resolve().parent)
    try:
        for remark in plan.remarks:
            _tell(say, remark)
        with new_store(final, overwrite) as part:
            early = diagnostics.sample_doubts(plan)
            for variable in plan.variables:
                variable.series.forget_counts()
            if early and strict:
                raise InputError(early[0])
            for remark in early:
                _tell(say, remark)
            _tell(say, _words(plan))
            built = build(plan, part, workers, _progress if say is not None else _silent)
            remarks = [*plan.remarks, *_doubts(plan, built)]
            for remark in remarks:
                if remark not in plan.remarks and remark not in early:
                    _tell(say, remark)
            finish(part, _statistics(plan, built), {"remarks": remarks, "missing": plan.missing})
            page = final.with_suffix(".html")
            write_summary(page, part, plan, built, remarks)
    finally:
        plan.close()
    return Prepared(final, page, tuple(remarks))


def _doubts(plan: Plan, built: Built) -> list[str]:
    """Return the sentences about the whole data set."""
    found = []
    for variable in plan.variables:
        found += diagnostics.doubts(variable, built.tallies[variable.name], plan.times)
    if built.comparison is not None:
        found += diagnostics.fit(built.comparison, plan.variables[0].units)
    plan.close()  # files that stay open are counted when they close
    for variable in plan.variables:
        found += diagnostics.left_out(variable)
    return found


def _statistics(plan: Plan, built: Built) -> dict[str, dict[str, Any]]:
    """Return coverage, mean and range of each array, for its attributes."""
    scalar = {v.name for v in plan.variables if v.series.kind == "continuous"} | {COARSE}
    result: dict[str, dict[str, Any]] = {}
    for name, tally in built.tallies.items():
        result[name] = {"covered": round(tally.covered, 6)}
        if name in scalar and tally.range is not None:
            result[name] |= {"mean": tally.mean, "actual_range": list(tally.range)}
    return result


def _words(plan: Plan) -> str:
    rows, columns = plan.coarse.shape
    fine = plan.fine.shape
    count = len(plan.times)
    span = f"{plan.times[0]} to {plan.times[-1]}" if count > 1 else str(plan.times[0])
    return (
        f"{plan.dataset.title}: {count} date{'s' if count > 1 else ''}, {span}; {rows} × {columns} coarse "
        f"and {fine[0]} × {fine[1]} fine cells."
    )


def _tell(say: Callable[[str], None] | None, sentence: str) -> None:
    if say is not None:
        say(sentence)


def _progress(blocks: int) -> Any:
    from tqdm.dask import TqdmCallback

    return TqdmCallback(total=blocks, desc="Aligning", unit="block", file=sys.stderr)


def _silent(_: int) -> Any:
    return nullcontext()


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m training.prepare",
        description="Align the rasters that a YAML file describes on one coarse and one fine grid, and write "
        "a Zarr store to train on, with a summary page beside it. Larger than memory is no matter.",
    )
    parser.add_argument("dataset", type=Path, help="description, e.g. training/datasets/example.yaml")
    parser.add_argument("--output", type=Path, help="the store (default: stores/NAME.zarr)")
    parser.add_argument("--overwrite", action="store_true", help="replace a store that is there")
    parser.add_argument("--strict", action="store_true", help="stop where units or fields look wrong")
    parser.add_argument(
        "--workers",
        type=int,
        default=psutil.cpu_count() or 2,
        help="threads (default: one for each processor)",
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but the store's path")
    options = parser.parse_args(arguments)
    if options.workers < 1:
        raise InputError("--workers must be 1 or more.")
    torch.set_num_threads(1)  # the blocks are what runs in parallel
    start = time.monotonic()
    say = None if options.quiet else print
    done = prepare(options.dataset, options.output, options.workers, options.overwrite, options.strict, say)
    if say is not None:
        say(f"Summary: {done.summary} ({time.monotonic() - start:.0f} s)")
    print(done.store)
    return 0


if __name__ == "__main__":
    main(run)
