"""Blocks of dates of a store as tasks of a cluster: each read, written and counted by one worker."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from engine import units
from engine.cluster.part_store import remove_leftovers
from engine.cluster.parts_request import PartsRequest
from engine.dates import When
from engine.errors import Cancelled, InputError
from training.preparation.array_statistics import ArrayStatistics
from training.preparation.building import BlockFiller, Built, block_edges, check_target, new_built
from training.preparation.layout import create
from training.preparation.planning import StorePlan, make_plan
from training.preparation.series import Series
from training.schema.dataset import Dataset
from training.tasks.cluster import training_workers
from training.tasks.long_task import short_task


@dataclass
class BlockDone:
    """What was learnt of a block of dates.

    Attributes:
        number: of the block.
        statistics: of each array.
        sums: of the comparison with an independent coarse product.
        counts: of each variable's rasters: values read, and those outside the valid range.
        doubts: about each variable's rasters.
    """

    number: int
    statistics: dict[str, ArrayStatistics] = field(default_factory=dict)
    sums: np.ndarray | None = None
    counts: list[tuple[int, int]] = field(default_factory=list)
    doubts: list[list[str]] = field(default_factory=list)


class PreparationJob:
    """A store as it is handed to workers, which find its rasters by themselves.

    Args:
        dataset: the description.
        folder: that its relative paths start from, from the root.
        store: that is filled, from the root.
        times: that it is to have.

    Attributes:
        token: names it among all jobs.
    """

    def __init__(self, dataset: Dataset, folder: Path, store: Path, times: tuple[When, ...]) -> None:
        self.token = uuid.uuid4().hex
        self.dataset, self.folder, self.store, self.times = dataset, folder, store, times
        self._plan: StorePlan | None = None

    def make(self, number: int) -> BlockDone:
        """Fill all arrays at the dates of a block.

        Raises:
            InputError: a raster cannot be read, or this machine does not have the same rasters and store.
        """
        from engine.cluster.dask_workers import is_wanted

        with short_task():
            torch.set_num_threads(1)
            plan = self._opened()
            filler = BlockFiller(plan, self.store)
            first = number * filler.times
            for block in filler.blocks(first):
                if not is_wanted(self.token):
                    raise Cancelled("Nobody waits for it.")
                filler.fill(*block)
            return self._done(number, first, filler)

    def _opened(self) -> StorePlan:
        if self._plan is None:
            units.ready()
            if not self.store.is_dir():
                raise InputError(
                    f"A worker does not see {self.store}: the store must lie on a disk that all machines "
                    "share."
                )
            plan = make_plan(self.dataset, self.folder)
            if plan.times != self.times:
                raise InputError(
                    f"A worker sees other rasters in {self.folder} than this process: they must lie on a "
                    "disk that all machines share."
                )
            for series in series_of(plan):
                series.forget_counts()
            self._plan = plan
        return self._plan

    def _done(self, number: int, first: int, filler: BlockFiller) -> BlockDone:
        done = BlockDone(number)
        for name, numbers in filler.built.statistics.items():
            if first == 0 or numbers.cells.size == len(self.times) > 1:
                done.statistics[name] = numbers.part(first, filler.times)
        done.sums = filler.sums.get(number)
        for series in series_of(filler.plan):
            series.close()  # files that stay open are counted when they close
            done.counts.append((series.seen, series.outside))
            done.doubts.append(list(series.doubts))
            series.seen = series.outside = 0
            series.doubts.clear()
        return done

    def forget(self) -> None:
        """Close its rasters."""
        if self._plan is not None:
            self._plan.close()
            self._plan = None


def series_of(plan: StorePlan) -> list[Series]:
    """Return what is read, each once."""
    return list({id(v.rasters): v.rasters for v in plan.variables}.values())


def build_on_cluster(
    wanted: PartsRequest, plan: StorePlan, folder: Path, path: Path, say: Callable[[str], None] | None
) -> Built:
    """Fill a new store as `training.preparation.building.build` does, by a cluster's workers.

    Args:
        wanted: which cluster.
        plan: the data set, laid out.
        folder: that the description's paths start from.
        path: of the store; nothing may be there.
        say: is told how many blocks are done; None: quiet.

    Raises:
        InputError: a raster cannot be read, or a worker does not see it or the store; or the target has no
            valid cell.
        EngineError: the cluster has gone, or no worker comes.
    """
    times, coarse_edge, fine_edge = block_edges(plan)
    create(plan, path, times, coarse_edge, fine_edge)
    built, done = new_built(plan), 0
    count = -(-len(plan.times) // times)

    def heard(block: BlockDone) -> None:
        nonlocal done
        for name, numbers in block.statistics.items():
            built.statistics[name].take(block.number * times, numbers)
        if built.comparison is not None and block.sums is not None:
            built.comparison.take(block.number, block.sums)
        for series, (seen, outside), doubts in zip(series_of(plan), block.counts, block.doubts, strict=True):
            series.seen, series.outside = series.seen + seen, series.outside + outside
            series.doubts.update(dict.fromkeys(doubts))
        done += 1
        if say is not None:
            say(f"{done} of {count} blocks of dates are aligned.")

    with training_workers(wanted, 1, "Block of dates") as workers:
        job = PreparationJob(plan.dataset, folder.absolute(), path.absolute(), plan.times)
        workers.do(job, range(count), heard)
    remove_leftovers(path)
    check_target(plan, built)
    return built
