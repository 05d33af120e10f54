"""Runs of an ablation as tasks of a cluster: each trained by one worker, its record handed back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from engine.cluster.parts_request import PartsRequest
from training.ablation.runs import AblationRun, Specs, finished, line_of, perform
from training.records.record import Record, append, from_root
from training.schema.config import Config
from training.tasks.cluster import training_workers
from training.tasks.long_task import held_soon
from training.tasks.shared_folder import SharedFolder
from training.tasks.training_job import TrainingJob
from training.tasks.worker_archive import WorkerArchive


class AblationJob(TrainingJob):
    """The runs as they are handed to workers, of one thread each.

    Args:
        work: the runs to be done.
        path: of the configuration.
        archive, runs: see `TrainingJob`; the folder is for checkpoints and locks.
    """

    def __init__(
        self, work: Sequence[AblationRun], path: Path, archive: WorkerArchive, runs: SharedFolder
    ) -> None:
        super().__init__(archive, runs, 1)
        self.work, self.path = list(work), path
        self._known: dict[str, Specs] = {}

    def make(self, number: int) -> tuple[int, Record | None]:
        """Train and score a run, from its checkpoint on where there is one.

        Returns:
            Its number, and its record; None: another process is at it.
        """
        run = self.work[number]
        with self.begun(run.name) as (told, folder):
            lock = FileLock(folder / f"{run.id}.lock")
            try:
                with held_soon(lambda: lock.acquire(blocking=False), Timeout, told):
                    archive = self.archive.get()
                    return number, perform(run, archive, self.path, folder / run.id, self._known)
            except Timeout:
                return number, None


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
        job = AblationJob(runs, path, archive, SharedFolder(folder))

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
