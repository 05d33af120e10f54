"""Folds of a cross-validation as tasks of a cluster: each trained by one worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from engine.cluster.parts_request import PartsRequest
from engine.errors import InputError
from engine.files.atomic import new_file
from training.console.sole_writer import sole_writer
from training.schema.config import Config
from training.tasks.cluster import training_workers
from training.tasks.long_task import held_soon
from training.tasks.shared_folder import SharedFolder
from training.tasks.training_job import TrainingJob
from training.tasks.worker_archive import WorkerArchive
from training.trainer.folds.fold import FoldDone, FoldRun, trained
from training.trainer.trainer import CHECKPOINT, LOG

KEPT = (CHECKPOINT, LOG)  # of a run's folder, from which it goes on


class FoldsJob(TrainingJob):
    """The folds as they are handed to workers.

    Args:
        folds: to be trained.
        archive, runs, threads: see `TrainingJob`.
    """

    def __init__(
        self, folds: Sequence[FoldRun], archive: WorkerArchive, runs: SharedFolder, threads: int
    ) -> None:
        super().__init__(archive, runs, threads)
        self.folds = list(folds)

    def make(self, number: int) -> FoldDone:
        """Train a fold, from its checkpoint on where there is one."""
        fold = self.folds[number]
        with self.begun(f"Fold {fold.number}") as (told, runs):
            own = FoldRun(fold.number, fold.config, runs / fold.folder.name)
            with held_soon(lambda: sole_writer(own.folder, "training in"), InputError, told):
                done = trained(own, self.archive.get(), True)
                if self.runs.is_seen:
                    return done
                files = {name: (own.folder / name).read_bytes() for name in KEPT}
                return FoldDone(done.number, done.best, done.scores, files)


def train_folds(
    wanted: PartsRequest, folds: Sequence[FoldRun], data: Config, tell: Callable[[str], None]
) -> list[FoldDone]:
    """Let a cluster's workers train folds; each takes as many threads as this process has now.

    Args:
        wanted: which cluster.
        folds: whose folders lie in one.
        data: the configuration whose data set it is.
        tell: called with a line on each fold that is done.

    Raises:
        InputError, EngineError: as `train_fold`; or the cluster has gone, or no worker comes: folds that are
            done are kept.
    """
    threads, made = torch.get_num_threads(), []
    with training_workers(wanted, threads, "Fold") as workers:
        archive = WorkerArchive(data, processes=workers.processes)
        job = FoldsJob(folds, archive, SharedFolder(folds[0].folder.parent), threads)

        def heard(done: FoldDone) -> None:
            fold = next(one for one in folds if one.number == done.number)
            if done.files:
                with sole_writer(fold.folder, "training in"):
                    # The checkpoint comes last: it says that the fold is done.
                    for name, content in sorted(done.files.items(), key=lambda one: one[0] == CHECKPOINT):
                        with new_file(fold.folder / name) as path:
                            path.write_bytes(content)
            made.append(done)
            best = f"best {done.best['score']:.4g} at step {done.best['step']}"
            tell(f"{len(made)} of {len(folds)}: fold {done.number}: {best}")

        workers.do(job, range(len(folds)), heard)
    return made
