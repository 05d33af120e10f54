"""Parts made by the workers of a Dask cluster, so many at a time that memory stays flat."""

from __future__ import annotations

import itertools
import logging
import os
import queue
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import dask
from distributed import Client, LocalCluster, WorkerPlugin
from distributed.scheduler import KilledWorker

from engine.cluster.makers import Heard
from engine.cluster.part_task import PartDone, PartJob, make_part, settle
from engine.cluster.parts_request import PartsRequest
from engine.cluster.step_job import OPEN_JOBS
from engine.cluster.workers import check_workers
from engine.compute.devices import PrecisionPlan
from engine.errors import EngineError
from engine.feedback import Feedback
from engine.pipeline.request import SuperResolveRequest

_CONNECT_SECONDS = 20
_LOOK_SECONDS = 0.5  # between looks whether the user or the cluster wants to stop
_LEAST = 32  # parts that are given out at once, so that a cluster which adapts sees what is to do
_EACH = 3  # the same for each thread of the workers
_COUNT_SECONDS = 2.0  # after which the workers are looked at again
_HERE = {
    "distributed.scheduler.allowed-failures": 20,  # of workers, before a part that they had is suspected
    "distributed.deploy.lost-worker-timeout": "60s",  # for one to come again
}
_KILLS = 5  # of workers that one part may end
_JOBS: dict[str, PartJob] = {}  # of a worker's process


class JobPlugin(WorkerPlugin):
    """Tells every worker of a job, those too that join later or come again.

    Args:
        job: what to make parts of.
    """

    def __init__(self, job: PartJob) -> None:
        self.job, self.name = job, f"msr-{job.step.token}"

    def setup(self, worker: Any) -> None:
        """Take the job in."""
        _JOBS[self.job.step.token] = self.job

    def teardown(self, worker: Any) -> None:
        """Let go of it."""
        _JOBS.pop(self.job.step.token, None)
        OPEN_JOBS.forget(self.job.step.token)


def _make(token: str, number: int) -> PartDone:
    return make_part(_JOBS[token], number)


class OnCluster:
    """Context manager of a cluster's workers.

    Args:
        wanted: which cluster.
        threads: that each process computes with.
        feedback: hears what is waited for, and says when to stop.

    Raises:
        EngineError: on entering, no scheduler answers.
    """

    def __init__(self, wanted: PartsRequest, threads: int, feedback: Feedback) -> None:
        self._wanted, self._threads, self._feedback = wanted, threads, feedback
        self._stack = ExitStack()
        self._client: Any = None
        self._looked, self._most = -_COUNT_SECONDS, _LEAST
        self._alone = 0.0  # since when there has been no worker; 0: there is one
        local = wanted.local
        self._local = None if local is None else local or max(1, (os.cpu_count() or 1) // threads)

    @property
    def processes(self) -> int:
        """How many share this machine's memory."""
        return self._local or 1

    def __enter__(self) -> OnCluster:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its words are no user's
        try:
            if self._local is not None:
                self._client = self._stack.enter_context(
                    Client(self._here(self._local), set_as_default=False)
                )
            else:
                self._client = self._stack.enter_context(self._there(str(self._wanted.cluster)))
            if self._workers():
                for line in check_workers(self._client):
                    self._feedback.log(line, "warning")
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def settle(self, request: SuperResolveRequest, threads: int) -> tuple[str, PrecisionPlan | None]:
        """See `Makers.settle`; a worker says it."""
        while True:
            answers: queue.Queue[Any] = queue.Queue()
            future = self._client.submit(settle, request, threads, pure=False)
            future.add_done_callback(answers.put)
            while answers.empty():
                self._look()
                time.sleep(_LOOK_SECONDS)
            try:
                return self._result(future)
            except TimeoutError:
                continue

    def make(self, job: PartJob, numbers: Iterable[int], heard: Heard) -> None:
        """See `Makers.make`."""
        self._client.register_plugin(JobPlugin(job))
        try:
            self._make(job.step.token, iter(numbers), heard)
        finally:
            self._quietly(lambda: self._client.unregister_worker_plugin(f"msr-{job.step.token}"))

    def _make(self, token: str, numbers: Any, heard: Heard) -> None:
        given: dict[Any, int] = {}
        ended: queue.Queue[Any] = queue.Queue()
        kills: dict[int, int] = {}
        names = itertools.count()

        def give(number: int) -> None:
            key = f"msr-part-{token}-{next(names)}"
            future = self._client.submit(_make, token, number, key=key, pure=False)
            given[future] = number
            future.add_done_callback(ended.put)

        try:
            while True:
                self._look()
                while len(given) < self._most and (number := next(numbers, None)) is not None:
                    give(number)
                if not given:
                    return
                try:
                    future = ended.get(timeout=_LOOK_SECONDS)
                except queue.Empty:
                    continue
                number = given.pop(future)
                try:
                    heard(self._result(future))
                except KilledWorker:
                    kills[number] = kills.get(number, 0) + 1
                    if kills[number] >= _KILLS:
                        raise EngineError(
                            f"Part {number} has ended its worker again and again, most likely for want of "
                            "memory: give each worker more, or choose smaller tiles (--tile)."
                        ) from None
                    give(number)
                except TimeoutError:
                    give(number)
        finally:
            self._quietly(lambda: self._client.cancel(list(given)))

    def _workers(self) -> dict[str, Any]:
        """Return those of the cluster.

        Raises:
            EngineError: nobody answers.
        """
        try:
            workers: dict[str, Any] = self._client.scheduler_info()["workers"]
        except (OSError, TimeoutError, ValueError) as error:
            raise self._gone() from error
        return workers

    def _result(self, future: Any) -> Any:
        """Return what a future holds, or raise what it raised.

        Raises:
            EngineError: the scheduler has gone with it.
            TimeoutError: the worker that held it has gone: it is made again.
        """
        if future.status == "cancelled":
            raise self._gone()
        if future.status == "lost":
            raise TimeoutError
        try:
            return future.result(timeout=_CONNECT_SECONDS)
        except CancelledError as error:
            raise self._gone() from error

    def _look(self) -> None:
        """Look whether the user wants to stop, and now and then whether there are a scheduler and workers."""
        self._feedback.check_cancelled()
        now = time.monotonic()
        if now - self._looked < _COUNT_SECONDS:
            return
        self._looked = now
        if self._client.status not in ("running", "newly-created", "connecting"):
            raise self._gone()
        workers = self._workers()
        self._most = max(_LEAST, _EACH * sum(worker["nthreads"] for worker in workers.values()))
        if self._local is not None and len(workers) < self._local:
            self._client.cluster.scale(self._local)  # one that was killed as it started does not come again
        if workers:
            self._alone = 0.0
        elif not self._alone:
            self._alone = now
            self._feedback.log("Waiting for a worker of the cluster.")
        elif now - self._alone > self._wanted.wait:
            raise EngineError(
                f"The cluster has had no worker for {now - self._alone:.0f} seconds: start workers, or give "
                "them longer (--wait)."
            )

    def _gone(self) -> EngineError:
        return EngineError("The scheduler of the cluster has gone: start it again.")

    def _here(self, workers: int) -> Any:
        own = {name: str(self._threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
        self._stack.enter_context(dask.config.set(_HERE))  # it is asked as long as the cluster lives
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=":0",  # of which nothing is told: another one may be here
            memory_limit=None,  # tiles are cut by the memory that there is
            silence_logs=logging.CRITICAL,
            env={**own, "OMP_WAIT_POLICY": "PASSIVE"},
        )
        return self._stack.enter_context(cluster)

    def _there(self, address: str) -> Any:
        told = "start one with `dask scheduler`, or check the address"
        try:
            if os.path.isfile(address):
                return Client(scheduler_file=address, timeout=_CONNECT_SECONDS, set_as_default=False)
            return Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise EngineError(f"No scheduler of Dask answers at {address}: {told}.") from error

    @staticmethod
    def _quietly(do: Callable[[], Any]) -> None:
        """Tidy up on a cluster that may have gone."""
        try:
            do()
        except Exception:
            logging.getLogger(__name__).debug("the cluster could not be tidied up", exc_info=True)
