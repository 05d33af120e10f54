"""What trainings as tasks of a cluster have in common: a data set, a folder of runs, threads."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from training.tasks.long_task import TaskFeedback, long_task
from training.tasks.shared_folder import SharedFolder
from training.tasks.worker_archive import WorkerArchive


class TrainingJob:
    """Trainings as they are handed to workers.

    Args:
        archive: their data set.
        runs: the folder that holds theirs, where a worker sees it.
        threads: of the processor that each takes.

    Attributes:
        token: names it among all jobs.
    """

    def __init__(self, archive: WorkerArchive, runs: SharedFolder, threads: int) -> None:
        self.token = uuid.uuid4().hex
        self.archive, self.runs, self.threads = archive, runs, threads

    @contextmanager
    def begun(self, name: str) -> Iterator[tuple[TaskFeedback, Path]]:
        """Train inside, one at a time: gives who hears of it, and the folder of runs, or one in its place."""
        with (
            long_task(self.token, name) as told,
            self.archive.at_home(),
            self.runs.at_work() as runs,
        ):
            torch.set_num_threads(self.threads)
            yield told, runs

    def forget(self) -> None:
        """Let go of the data set."""
        self.archive.forget()
