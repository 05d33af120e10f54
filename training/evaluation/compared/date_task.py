"""Test dates as tasks of a cluster: blocks of them scored by its workers, merged in their order."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from engine.cluster.parts_request import PartsRequest
from engine.package.folder import Package, load_package
from engine.specs import TargetSpec
from training.data.archive import Archive
from training.data.split import Split, split_archive
from training.evaluation.compared.methods import FittedCases, Methods, compared_methods
from training.evaluation.scores import CaseTotals, Score, Scoring, date_blocks, score_block
from training.schema.config import Config
from training.tasks.cluster import training_workers
from training.tasks.long_task import short_task
from training.tasks.worker_archive import WorkerArchive


class EvaluationJob:
    """An evaluation as it is handed to workers: what was fitted and measured before, and where the rest is.

    Args:
        config: complete.
        archive: its data set.
        coarse: the coarse product, where it was corrected; None: the data set's own.
        target: of the methods that are no packages.
        fitted: methods.
        packages: folders of the model, or None, and of those to compare with.
        scoring: what is measured, its plan settled.
        threads: of the processor that one task takes.

    Attributes:
        token: names it among all jobs.
    """

    def __init__(
        self,
        config: Config,
        archive: WorkerArchive,
        coarse: np.ndarray | None,
        target: TargetSpec,
        fitted: FittedCases,
        packages: tuple[str | None, tuple[str, ...]],
        scoring: Scoring,
        threads: int,
    ) -> None:
        self.token = uuid.uuid4().hex
        self.config, self.archive, self.coarse, self.target = config, archive, coarse, target
        self.fitted, self.packages, self.scoring, self.threads = fitted, packages, scoring, threads
        self._open: tuple[Archive, Split, Methods] | None = None

    def make(self, number: int) -> tuple[int, list[CaseTotals]]:
        """Score a block of dates; returns its number and what it adds to each method's numbers."""
        with short_task(), self.archive.at_home():
            torch.set_num_threads(self.threads)
            archive, split, methods = self._opened()
            times = date_blocks(split.test)[number]
            totals = score_block(methods, archive, split.test, self.scoring, times)
            return number, [one.to_send() for one in totals]

    def _opened(self) -> tuple[Archive, Split, Methods]:
        if self._open is None:
            archive = self.archive.get()
            split = split_archive(self.config, archive)
            if self.coarse is not None:
                archive = replace(archive, coarse=self.coarse)
            model, others = self.packages
            package = None if model is None else load_package(model)
            compare = [load_package(other) for other in others]
            methods = compared_methods(
                self.config, archive, split, self.target, self.fitted, package, compare
            )
            self._open = archive, split, methods
        return self._open

    def forget(self) -> None:
        """Let go of data set and methods."""
        self._open = None
        self.archive.forget()


def score_on_cluster(
    wanted: PartsRequest,
    config: Config,
    archive: Archive,
    split: Split,
    corrected: bool,
    methods: Methods,
    target: TargetSpec,
    fitted: FittedCases,
    packages: tuple[Package | None, Sequence[Package]],
    scoring: Scoring,
    tell: Callable[[str], None] | None = None,
) -> list[list[Score]]:
    """Return what `score_together` returns, to the last digit, made by a cluster's workers.

    Args:
        wanted: which cluster.
        config, archive, split: what is tested on what.
        corrected: whether the archive's coarse product is not the data set's own.
        methods, target, fitted: that are compared.
        packages: the model, or None, and those to compare with.
        scoring: what is measured, its plan settled.
        tell: is told how many dates are scored.

    Raises:
        EngineError: the cluster has gone, or no worker comes.
    """
    threads, region = torch.get_num_threads(), split.test
    blocks = date_blocks(region)
    totals = [CaseTotals(case, described, scoring) for case, described in methods]
    early: dict[int, list[CaseTotals]] = {}  # blocks whose turn has not come
    merged = 0
    model, others = packages
    folders = (
        None if model is None else os.path.abspath(model.folder),
        tuple(os.path.abspath(other.folder) for other in others),
    )
    coarse = np.asarray(archive.coarse) if corrected else None

    with training_workers(wanted, threads, "Block of dates") as workers:
        held = WorkerArchive(config, processes=workers.processes)
        job = EvaluationJob(config, held, coarse, target, fitted, folders, scoring, threads)

        def heard(made: tuple[int, list[CaseTotals]]) -> None:
            nonlocal merged
            early[made[0]] = made[1]
            while merged in early:
                for one, own in zip(totals, early.pop(merged), strict=True):
                    one.merge(own)
                merged += 1
                if tell:
                    done = sum(map(len, blocks[:merged]))
                    tell(f"{done} of {len(region.times)} dates are scored")

        workers.do(job, range(len(blocks)), heard)
    return [one.scores() for one in totals]
