"""Make a store from a description: laid out, filled, looked through, told of on a page."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

from engine import units
from engine.cluster.parts_request import PartsRequest
from engine.errors import InputError
from training.console.followed import FollowedWork, followed
from training.console.kept_inputs import check_kept
from training.data.store_format import COARSE
from training.preparation import diagnostics
from training.preparation.block_task import build_on_cluster, series_of
from training.preparation.building import Built, build
from training.preparation.layout import finish
from training.preparation.new_store import new_store
from training.preparation.planning import StorePlan, make_plan
from training.preparation.store_size import check_room
from training.preparation.summary import write_summary
from training.schema.dataset import Dataset, RasterSection, load_dataset


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
    cluster: PartsRequest | None = None,
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
        cluster: whose workers read, warp and write blocks of dates; None: threads of this process.

    Raises:
        InputError: the description or its rasters are wrong.
        EngineError: the cluster has gone, or no worker comes.
    """
    units.ready()
    dataset = load_dataset(description)
    final, folder = output or Path("stores") / f"{dataset.name}.zarr", description.resolve().parent
    page = final.with_suffix(".html")
    check_kept((final, page), (description.absolute(), *inputs_of(dataset, folder)), folder)
    plan = make_plan(dataset, folder)
    try:
        for remark in plan.remarks:
            _tell(say, remark)
        with new_store(final, overwrite) as part:
            check_room(plan, final)
            early = diagnostics.sample_doubts(plan)
            for series in series_of(plan):
                series.forget_counts()
                early += [doubt for doubt in series.doubts if doubt not in early]
                _tell(say, series.understood)
            if early and strict:
                raise InputError(early[0])
            for remark in early:
                _tell(say, remark)
            _tell(say, _words(plan))
            if cluster is None:
                built = build(plan, part, workers, _progress if say is not None else _silent)
            else:
                built = build_on_cluster(cluster, plan, folder, part, say)
            remarks = [*plan.remarks, *_doubts(plan, built)]
            for remark in remarks:
                if remark not in plan.remarks and remark not in early:
                    _tell(say, remark)
            finish(part, _statistics(plan, built), {"remarks": remarks, "missing": plan.missing})
            write_summary(page, part, plan, built, remarks)
    finally:
        plan.close()
    return Prepared(final, page, tuple(remarks))


def inputs_of(dataset: Dataset, folder: Path) -> list[str]:
    """Return the names of what the description names, patterns as the files that they match."""
    target = dataset.target
    sections = [s for s in (target.fine, target.coarse, *dataset.sources) if isinstance(s, RasterSection)]
    names = [pattern for section in sections for pattern in section.patterns]
    names += [dataset.grid.like] if dataset.grid is not None and dataset.grid.like else []
    return [*names, *(match for name in names for match in glob(name, root_dir=folder, recursive=True))]


def _doubts(plan: StorePlan, built: Built) -> list[str]:
    """Return the sentences about the whole data set."""
    sentences = []
    for variable in plan.variables:
        sentences += diagnostics.doubts(variable, built.statistics[variable.name], plan.times)
    if built.comparison is not None:
        sentences += diagnostics.fit(built.comparison, plan.variables[0].units)
    plan.close()  # files that stay open are counted when they close
    for variable in plan.variables:
        sentences += diagnostics.left_out(variable)
    return sentences + [doubt for series in series_of(plan) for doubt in series.doubts]


def _statistics(plan: StorePlan, built: Built) -> dict[str, dict[str, Any]]:
    """Return coverage, mean and range of each array, for its attributes."""
    scalar = {v.name for v in plan.variables if v.series.traits.scalar} | {COARSE}
    result: dict[str, dict[str, Any]] = {}
    for name, numbers in built.statistics.items():
        result[name] = {"covered": round(numbers.covered, 6)}
        if name in scalar and numbers.range is not None:
            result[name] |= {"mean": numbers.mean, "actual_range": list(numbers.range)}
    return result


def _words(plan: StorePlan) -> str:
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
    if (work := followed()) is not None:
        return _told_to(work, blocks)
    from tqdm.dask import TqdmCallback

    return TqdmCallback(total=blocks, desc="Aligning", unit="block", file=sys.stderr)


def _told_to(work: FollowedWork, blocks: int) -> Any:
    """Return what tells of each block to whoever follows, and stops where they cancel."""
    from dask.callbacks import Callback

    work.begin("Aligning the rasters")
    count = 0

    def done(*_: object) -> None:
        nonlocal count
        count += 1
        work.tell(min(1.0, count / max(blocks, 1)), min(count, blocks), blocks)

    return Callback(posttask=done)


def _silent(_: int) -> Any:
    return nullcontext()
