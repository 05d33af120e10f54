"""Parts made by the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterable

from engine.cluster.dask_workers import DaskWorkers
from engine.cluster.makers import Heard
from engine.cluster.part_task import PartJob, settle
from engine.compute.devices import PrecisionPlan
from engine.pipeline.request import SuperResolveRequest


class OnCluster(DaskWorkers):
    """Context manager of the workers that make a run's parts; see `DaskWorkers`."""

    def settle(self, request: SuperResolveRequest, threads: int) -> tuple[str, PrecisionPlan | None]:
        """See `Makers.settle`; a worker says it."""
        device, plan = self.ask(settle, request, threads)
        return device, plan

    def make(self, job: PartJob, numbers: Iterable[int], heard: Heard) -> None:
        """See `Makers.make`."""
        self.do(job, numbers, heard)
