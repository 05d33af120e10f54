"""Runs of an ablation as tasks of a cluster: each trained by one worker, its record handed back."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from engine.cluster.parts_request import PartsRequest
from training.ablation.runs import AblationRun, Specs, finished, line_of, perform
from training.records.record import Record, append, from_root
from training.schema.config import Config
from training.tasks.cluster import training_workers
from training.tasks.long_task import held_soon, long_task
from training.tasks.shared_folder import SharedFolder
from training.tasks.worker_archive import WorkerArchive


class AblationJob:
    """The runs as they are handed to workers.

    Args:
        runs: to be done.
        archive: their data set.
        path: of the configuration.
        folder: for checkpoints and locks, where a worker sees it.

    Attributes:
        token: names it among all jobs.
    """

    def __init__(
        self, runs: Sequence[AblationRun], archive: WorkerArchive, path: Path, folder: SharedFolder
    ) -> None:
        self.token = uuid.uuid4().hex
        self.runs, self.archive, self.path, self.folder = list(runs), archive, path, folder
        self._known: dict[str, Specs] = {}

    def make(self, number: int) -> tuple[int, Record | None]:
        """Train and score a run, from its checkpoint on where there is one.

        Returns:
            Its number, and its record; None: another process is at it.
        """
        run = self.runs[number]
        with (
            long_task(self.token, run.name) as told,
            self.archive.at_home(),
            self.folder.at_work() as folder,
        ):
            torch.set_num_threads(1)
            lock = FileLock(folder / f"{run.id}.lock")
            try:
                with held_soon(lambda: lock.acquire(blocking=False), Timeout, told):
                    archive = self.archive.get()
                    return number, perform(run, archive, self.path, folder / run.id, self._known)
            except Timeout:
                return number, None

    def forget(self) -> None:
        """Let go of the data set."""
        self.archive.forget()


def work_on_cluster(
    wanted: PartsRequest,
    runs: Sequence[AblationRun],
    data: Config,
    path: Path,
    records: Path,
    folder: Path,
    tell: Callable[[str], None],
) -> list[AblationRun]:
    """Let a cluster's workers do runs that have no record; see `training.ablation.runs.work`.

    Args:
        wanted: which cluster.
        data: the configuration whose data set it is.
        runs, path, records, folder, tell: as there.

    Raises:
        EngineError: the cluster has gone, or no worker comes; finished runs have their records.
    """
    elsewhere: list[AblationRun] = []
    done = 0
    with training_workers(wanted, 1, "Run") as workers:
        archive = WorkerArchive(data, processes=workers.processes)
        job = AblationJob(runs, archive, path, SharedFolder(folder))

        def heard(made: tuple[int, Record | None]) -> None:
            nonlocal done
            run, record = runs[made[0]], made[1]
            done += 1
            if record is None:
                elsewhere.append(run)
                return
            if not finished(records, [run]):
                append(records, record.model_copy(update={"config": from_root(path)}))
            shutil.rmtree(folder / run.id, ignore_errors=True)
            tell(f"{done} of {len(runs)}: {line_of(run, record)}")

        workers.do(job, range(len(runs)), heard)
    return elsewhere
