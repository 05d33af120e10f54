"""Tasks done by the workers of a Dask cluster, so many at a time that memory stays flat.

What the tasks are is a job's matter: the parts of a run, or whatever else can be done by number.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import queue
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, TypeVar

import dask
from distributed import Client, LocalCluster, WorkerPlugin, get_worker
from distributed.scheduler import KilledWorker

from engine.cluster.parts_request import PartsRequest
from engine.cluster.scheduler import CONNECT_SECONDS, GONE, reached
from engine.cluster.workers import EngineAsked, check_scheduler, check_workers
from engine.compute.cards import take_card
from engine.errors import EngineError
from engine.feedback import Feedback

_LOOK_SECONDS = 0.5  # between looks whether the user or the cluster wants to stop
_LEAST = 32  # tasks that are given out at once, so that a cluster which adapts sees what is to do
_EACH = 3  # the same for each thread of the workers
Workers = TypeVar("Workers", bound="DaskWorkers")
_COUNT_SECONDS = 2.0  # after which the workers are looked at again


class LostResultError(Exception):
    """What a task gave went with its worker, or cannot be fetched from it."""


class NumberedJob(Protocol):
    """What tasks are of; a plain class: Dask looks into others for arrays of its own."""

    @property
    def token(self) -> str:
        """Names it among all."""

    def make(self, number: int) -> Any:
        """Do the task of that number, on a worker."""

    def forget(self) -> None:
        """Let go of what the worker's process holds open for it."""


@dataclass(frozen=True)
class TaskManner:
    """How tasks are given out, and spoken of.

    Attributes:
        name: of a task, as a sentence begins with it.
        remedy: what to do where tasks end their workers.
        failures: workers that a task may end before it is suspected, on a cluster started here.
        kills: times that it is given out again after that.
        asked: what each worker is asked before it is given any.
    """

    name: str = "Part"
    remedy: str = "give each worker more, or choose smaller tiles (--tile)"
    failures: int = 20
    kills: int = 5
    asked: EngineAsked = field(default_factory=EngineAsked)


_JOBS: dict[str, NumberedJob] = {}  # of a worker's process


class JobPlugin(WorkerPlugin):
    """Tells every worker of a job, those too that join later or come again.

    Args:
        job: what tasks are of.
        share: the workers are of one machine and see all of its graphics cards: each takes its own.
    """

    def __init__(self, job: NumberedJob, share: bool = False) -> None:
        self.job, self.name, self.share = job, topic_of(job.token), share

    def setup(self, worker: Any) -> None:
        """Take the job in."""
        if self.share and isinstance(worker.name, int):
            take_card(worker.name)
        _JOBS[self.job.token] = self.job

    def teardown(self, worker: Any) -> None:
        """Let go of it."""
        _JOBS.pop(self.job.token, None)
        self.job.forget()


def topic_of(token: str) -> str:
    """Return under which name a cluster knows a job."""
    return f"msr-{token}"


def is_wanted(token: str) -> bool:
    """Return, within a task, whether anybody still waits for it; a long one asks now and then."""
    if token not in _JOBS:
        return False
    worker = get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    return task is None or task.state != "cancelled"


def say(token: str, words: str) -> None:
    """Tell, within a task, a line to whoever waits for the job."""
    get_worker().log_event(topic_of(token), words)


def _make(token: str, number: int) -> Any:
    return _JOBS[token].make(number)


class DaskWorkers:
    """Context manager of a cluster's workers.

    Args:
        wanted: which cluster.
        threads: that each process computes with.
        feedback: hears what is waited for, and what tasks say, and says when to stop.
        manner: of the tasks.

    Raises:
        EngineError: on entering, no scheduler answers.
    """

    def __init__(
        self, wanted: PartsRequest, threads: int, feedback: Feedback, manner: TaskManner | None = None
    ) -> None:
        self._wanted, self._threads, self._feedback = wanted, threads, feedback
        self._manner = manner or TaskManner()
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

    def __enter__(self: Workers) -> Workers:
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # its words are no user's
        try:
            if self._local is not None:
                self._client = self._stack.enter_context(
                    Client(self._here(self._local), set_as_default=False)
                )
            else:
                self._client = self._stack.enter_context(self._there(str(self._wanted.cluster)))
            if self._workers():
                for line in check_workers(self._client, self._manner.asked):
                    self._feedback.log(line, "warning")
            else:
                check_scheduler(self._client)
        except BaseException:
            self._quietly(self._stack.close)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A client whose scheduler goes may fail to close, which is not what the run ended with.
        self._quietly(self._stack.close)

    def ask(self, do: Callable[..., Any], *given: Any) -> Any:
        """Return what a function of this project says on a worker, whichever.

        Raises:
            EngineError: the scheduler has gone, no worker comes, or it ends one after the other.
        """
        kills = 0
        while True:
            answers: queue.Queue[Any] = queue.Queue()
            future = self._client.submit(do, *given, pure=False)
            future.add_done_callback(answers.put)
            while answers.empty():
                self._look()
                time.sleep(_LOOK_SECONDS)
            try:
                return self._result(future)
            except LostResultError:
                continue
            except KilledWorker:
                kills += 1
                if kills >= self._manner.kills:
                    raise EngineError(
                        "Workers of the cluster end one after the other before they are given anything, most "
                        f"likely for want of memory: {self._manner.remedy}."
                    ) from None

    def do(self, job: NumberedJob, numbers: Iterable[int], heard: Callable[[Any], None]) -> None:
        """Do the tasks of these numbers; `heard` gets what each gave, in whatever order, one at a time.

        Raises:
            EngineError: the scheduler has gone, no worker comes, or a task ends one after the other.
        """
        words: queue.Queue[str] = queue.Queue()
        topic = topic_of(job.token)
        try:
            self._client.subscribe_topic(topic, lambda event: words.put(event[1]))
        except GONE as error:
            raise self._gone() from error
        self._announce(JobPlugin(job, share=self._local is not None))
        try:
            self._do(job.token, iter(numbers), heard, words)
        finally:
            self._quietly(lambda: self._client.unregister_worker_plugin(topic))
            self._quietly(lambda: self._client.unsubscribe_topic(topic))

    def _announce(self, plugin: JobPlugin) -> None:
        """Tell all workers of a job, again where one of them goes meanwhile.

        Raises:
            EngineError: the scheduler has gone.
        """
        for _ in range(self._manner.failures):
            try:
                return self._client.register_plugin(plugin)
            except GONE:
                self._workers()  # it is not the scheduler that has gone
        raise self._gone()

    def _do(self, token: str, numbers: Any, heard: Callable[[Any], None], words: queue.Queue[str]) -> None:
        given: dict[Any, int] = {}
        ended: queue.Queue[Any] = queue.Queue()
        kills: Counter[int] = Counter()
        losses: Counter[int] = Counter()
        names = itertools.count()

        def give(number: int) -> None:
            key = f"msr-part-{token}-{next(names)}"
            future = self._client.submit(_make, token, number, key=key, pure=False)
            given[future] = number
            future.add_done_callback(ended.put)

        try:
            while True:
                self._look()
                while not words.empty():
                    self._feedback.log(words.get())
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
                    kills[number] += 1
                    if kills[number] >= self._manner.kills:
                        raise EngineError(
                            f"{self._manner.name} {number} has ended its worker again and again, most likely "
                            f"for want of memory: {self._manner.remedy}."
                        ) from None
                    give(number)
                except LostResultError:
                    losses[number] += 1
                    if losses[number] >= self._manner.failures:
                        raise EngineError(
                            f"{self._manner.name} {number} was made {losses[number]} times, but what it gave "
                            "cannot be fetched: look at the network between the workers and this machine."
                        ) from None
                    give(number)
        finally:
            self._quietly(lambda: self._client.cancel(list(given)))

    def _workers(self) -> dict[str, int]:
        """Return those of the cluster, and the threads of each.

        Raises:
            EngineError: nobody answers.
        """
        try:  # asked of the scheduler itself: what the client keeps of it may lack workers
            workers: dict[str, int] = self._client.nthreads(callback_timeout=CONNECT_SECONDS)
        except (OSError, TimeoutError, ValueError, *GONE) as error:
            raise self._gone() from error
        return workers

    def _result(self, future: Any) -> Any:
        """Return what a future holds, or raise what it raised.

        Raises:
            EngineError: the scheduler has gone with it.
            LostResultError: the worker that held it has gone: it is made again.
        """
        if future.status == "cancelled":
            raise self._gone()
        if future.status == "lost":
            raise LostResultError
        try:
            if future.status == "error":  # whatever it is: a disk may have timed out
                return future.result()
            return future.result(timeout=CONNECT_SECONDS)
        except GONE as error:
            raise self._gone() from error
        except (TimeoutError, asyncio.TimeoutError) as error:
            if future.status == "error":
                raise
            raise LostResultError from error

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
        self._most = max(_LEAST, _EACH * sum(workers.values()))
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
        here = {
            "distributed.scheduler.allowed-failures": self._manner.failures,
            "distributed.deploy.lost-worker-timeout": "60s",  # for one to come again
        }
        self._stack.enter_context(dask.config.set(here))  # it is asked as long as the cluster lives
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

    def _there(self, cluster: str) -> Any:
        where = reached(cluster)
        try:
            return Client(where, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError, ImportError, *GONE) as error:
            raise EngineError(
                f"The scheduler of Dask at {cluster} does not take this process in: start it with the same "
                "Python environment."
            ) from error

    @staticmethod
    def _quietly(do: Callable[[], Any]) -> None:
        """Tidy up on a cluster that may have gone."""
        try:
            do()
        except (Exception, *GONE):
            logging.getLogger(__name__).debug("the cluster could not be tidied up", exc_info=True)
