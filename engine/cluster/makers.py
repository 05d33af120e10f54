"""Who makes the parts of a run: this process, or the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol

from engine.cluster.part_task import PartDone, PartJob, make_part, settle
from engine.cluster.step_job import OPEN_JOBS
from engine.compute.devices import PrecisionPlan
from engine.feedback import Feedback
from engine.pipeline.request import SuperResolveRequest

Heard = Callable[[PartDone], None]


class Makers(Protocol):
    """Context manager of whoever makes parts."""

    def __enter__(self) -> Makers:
        """Get ready."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of what was got ready."""

    @property
    def processes(self) -> int:
        """How many share this machine's memory."""

    def settle(self, request: SuperResolveRequest, threads: int) -> tuple[str, PrecisionPlan | None]:
        """See `engine.cluster.part_task.settle`."""

    def make(self, job: PartJob, numbers: Iterable[int], heard: Heard) -> None:
        """Make the parts of these numbers; `heard` gets each in whatever order, one at a time."""


class OwnProcess:
    """Makes parts in this process, one after another.

    Args:
        feedback: says when to stop.
    """

    processes = 1

    def __init__(self, feedback: Feedback) -> None:
        self._feedback = feedback

    def __enter__(self) -> OwnProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was got ready."""

    def settle(self, request: SuperResolveRequest, threads: int) -> tuple[str, PrecisionPlan | None]:
        """See `Makers.settle`."""
        return settle(request, threads)

    def make(self, job: PartJob, numbers: Iterable[int], heard: Heard) -> None:
        """See `Makers.make`."""
        try:
            for number in numbers:
                self._feedback.check_cancelled()
                heard(make_part(job, number))
        finally:
            OPEN_JOBS.forget(job.step.token)
