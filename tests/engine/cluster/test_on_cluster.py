"""Runs in parts by the workers of a cluster; workers, schedulers and the run itself killed on the way."""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("distributed")

from distributed import Client, LocalCluster
from distributed.comm.core import CommClosedError

from engine import api
from engine.cluster import dask_workers
from engine.cluster.parts_request import PartsRequest
from engine.cluster.start import start
from engine.cluster.workers import check_workers
from engine.commands.cli import main
from engine.errors import EngineError
from engine.feedback import Silent
from engine.files.root import ROOT
from engine.pipeline.request import SuperResolveRequest
from tests.engine.cluster.conftest import PARTS, bytes_in
from tests.engine.cluster.schedulers import scheduler, worker

RunOf = Callable[..., SuperResolveRequest]
Plain = Callable[[SuperResolveRequest], dict[str, bytes]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers, which other tests' settings do not reach."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0", memory_limit=None
    ) as made:
        yield made


class Killing(Silent):
    """Does something once a number of parts is done."""

    def __init__(self, after: int, do: Callable[[], object]) -> None:
        super().__init__()
        self.after, self.do, self.done = after, do, False

    def progress(self, fraction: float, phase: str, tiles_done: int = 0, *rest: object) -> None:
        if phase == "Super-resolving" and tiles_done >= self.after and not self.done:
            self.done = True
            self.do()


def test_workers_make_the_bytes_of_one_process_and_load_the_model_once(
    cluster: LocalCluster, run_of: RunOf, plain: Plain, model: Path
) -> None:
    request = run_of("fine.tif", model)
    expected = plain(request)
    start(request, PartsRequest(cluster=cluster.scheduler_address), Silent())
    assert bytes_in(Path(request.output).parent) == expected

    def opened_jobs() -> int:
        from engine.cluster.step_job import OPEN_JOBS  # of the worker

        return OPEN_JOBS.opened

    with Client(cluster, set_as_default=False) as client:
        assert set(client.run(lambda: len(dask_workers._JOBS)).values()) == {0}  # nothing stays with them
        field = api.super_resolve(
            request.target.path,
            model,
            {"elevation": request.sources["elevation"].path},
            all_dates=True,
            tile=3,
            client=client,
        )
        before = client.run(opened_jobs)
        client.compute(field).result()
        after = client.run(opened_jobs)
        opened = [after[worker] - before[worker] for worker in after]
    assert len(opened) == 2 and max(opened) == 1


@pytest.mark.parametrize("name", ["fine.tif", "fine.zarr"])
def test_a_killed_workers_parts_are_made_again(
    cluster: LocalCluster, run_of: RunOf, plain: Plain, name: str
) -> None:
    request = run_of(name)
    expected = plain(request)
    killed = []

    def kill() -> None:
        killed.append(next(nanny.pid for nanny in cluster.workers.values() if nanny.pid))
        os.kill(killed[0], signal.SIGKILL)

    told = Killing(10, kill)
    start(request, PartsRequest(cluster=cluster.scheduler_address), told)
    assert killed and bytes_in(Path(request.output).parent) == expected


def test_a_cluster_that_adapts_grows_for_the_parts_that_wait(run_of: RunOf, plain: Plain) -> None:
    request = run_of("fine.tif")
    expected = plain(request)
    with LocalCluster(
        n_workers=0, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0", memory_limit=None
    ) as made:
        made.adapt(minimum=0, maximum=2, interval="100ms")
        start(request, PartsRequest(cluster=made.scheduler_address), Silent())
    assert bytes_in(Path(request.output).parent) == expected


def test_a_scheduler_that_goes_is_told_and_the_parts_are_kept(
    run_of: RunOf, plain: Plain, tmp_path: Path
) -> None:
    request = run_of("fine.tif")
    expected = plain(request)
    with (
        scheduler(tmp_path) as (address, process),
        worker(address),
        pytest.raises(EngineError, match=r"^The scheduler of the cluster has gone") as caught,
    ):
        start(request, PartsRequest(cluster=address), Killing(5, process.kill))
    assert f"of {PARTS} parts are kept in {request.output}.parts" in str(caught.value)
    start(request, PartsRequest(resume=True), Silent())  # without a cluster
    assert bytes_in(Path(request.output).parent) == expected


@pytest.mark.parametrize("ended", [concurrent.futures.CancelledError, asyncio.CancelledError])
def test_a_question_that_the_scheduler_leaves_unanswered_is_told(ended: type[BaseException]) -> None:
    """As its client cancels what it asked, in whichever way."""

    class Cut:
        status = "running"

        def nthreads(self, **_: object) -> dict[str, int]:
            raise ended

        def subscribe_topic(self, *_: object) -> None:
            raise ended

    workers = dask_workers.DaskWorkers(PartsRequest(cluster="tcp://127.0.0.1:9"), 1, Silent())
    workers._client = Cut()
    with pytest.raises(EngineError, match=r"^The scheduler of the cluster has gone"):
        workers._workers()
    with pytest.raises(EngineError, match=r"^The scheduler of the cluster has gone"):
        workers.do(SimpleNamespace(token="t"), range(3), lambda _: None)


@pytest.mark.parametrize("ended", [RuntimeError, concurrent.futures.CancelledError, asyncio.CancelledError])
def test_a_client_that_cannot_be_closed_hides_nothing(
    cluster: LocalCluster, ended: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As asyncio refuses it at times, where the scheduler goes meanwhile."""
    closed = Client.close

    def close(self: Client, *given: object, **named: object) -> None:
        before = self.status
        closed(self, *given, **named)
        if before != "closed":  # `__del__` closes it once more
            raise ended("Cannot change state of expiring Timeout")

    monkeypatch.setattr(Client, "close", close)
    wanted = PartsRequest(cluster=cluster.scheduler_address)
    with dask_workers.DaskWorkers(wanted, 1, Silent()):
        pass
    with pytest.raises(EngineError, match=r"^It has gone"), dask_workers.DaskWorkers(wanted, 1, Silent()):
        raise EngineError("It has gone.")
    monkeypatch.setattr(dask_workers, "check_workers", lambda *_: int("no worker"))
    with pytest.raises(ValueError, match=r"no worker"):
        dask_workers.DaskWorkers(wanted, 1, Silent()).__enter__()


class Failing:
    """A job whose tasks are timed out by a disk."""

    token = "failing"

    def make(self, number: int) -> None:
        raise TimeoutError(110, "Connection timed out")

    def forget(self) -> None:
        pass


def test_a_task_that_a_disk_times_out_is_told_and_not_given_for_ever(cluster: LocalCluster) -> None:
    wanted = PartsRequest(cluster=cluster.scheduler_address)
    with dask_workers.DaskWorkers(wanted, 1, Silent()) as workers, pytest.raises(TimeoutError):
        workers.do(Failing(), range(3), lambda _: None)


def test_what_can_never_be_fetched_is_told(monkeypatch: pytest.MonkeyPatch, cluster: LocalCluster) -> None:
    asked = []

    def lost(self, future) -> None:
        asked.append(future)
        raise dask_workers.LostResultError

    monkeypatch.setattr(dask_workers.DaskWorkers, "_result", lost)
    wanted = PartsRequest(cluster=cluster.scheduler_address)
    manner = dask_workers.TaskManner(failures=3)
    with (
        dask_workers.DaskWorkers(wanted, 1, Silent(), manner) as workers,
        pytest.raises(EngineError, match=r"^Part 0 was made 3 times, but what it gave cannot be fetched"),
    ):
        workers.do(Failing(), [0], lambda _: None)
    assert len(asked) == 3


def test_a_worker_that_goes_while_all_are_told_of_a_job_is_not_the_scheduler() -> None:
    told: list[object] = []

    class Losing:
        """A client of which a worker goes, twice, while all are asked."""

        status = "running"

        def nthreads(self, **_: object) -> dict[str, int]:
            return {"tcp://127.0.0.1:1": 1}

        def subscribe_topic(self, *_: object) -> None:
            pass

        def register_plugin(self, plugin: object) -> None:
            told.append(plugin)
            if len(told) < 3:
                raise CommClosedError("in <TCP (closed) Scheduler Broadcast>: Stream is closed")

        def run_on_scheduler(self, ask: Callable[[], object]) -> object:
            return ask()

        def run(self, ask: Callable[[], object], on_error: str) -> dict[str, object]:
            return {"tcp://127.0.0.1:1": ask(), "tcp://127.0.0.1:2": CommClosedError("it has gone")}

    workers = dask_workers.DaskWorkers(PartsRequest(cluster="tcp://127.0.0.1:9"), 1, Silent())
    workers._client = Losing()
    workers.do(SimpleNamespace(token="t"), [], lambda _: None)
    assert len(told) == 3
    assert check_workers(workers._client) == []


def end_of_a_worker(file: Path, times: int) -> str:
    """End the worker that is asked, so many times."""
    with file.open("a") as ends:
        ends.write("x")
    if file.stat().st_size <= times:
        os._exit(1)
    return "there"


@pytest.mark.parametrize(("times", "answer"), [(2, "there"), (100, None)])
def test_a_question_that_ends_workers_is_asked_again_and_not_for_ever(
    cluster: LocalCluster, tmp_path: Path, times: int, answer: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    wanted = PartsRequest(cluster=cluster.scheduler_address)
    manner = dask_workers.TaskManner(kills=3)
    told = r"^Workers of the cluster end one after the other before .* \(--tile\)\.$"
    with (
        dask_workers.DaskWorkers(wanted, 1, Silent(), manner) as workers,
        nullcontext() if answer else pytest.raises(EngineError, match=told),
    ):
        assert workers.ask(end_of_a_worker, tmp_path / "ends", times) == answer


def test_the_whole_run_is_killed_and_goes_on(run_of: RunOf, plain: Plain) -> None:
    import torch

    request = run_of("fine.tif")
    expected = plain(request)
    command = [sys.executable, "-s", "-m", "engine", "super-resolve", "--model", "bicubicsmooth"]
    command += ["--factor", "4"]
    command += ["--target", request.target.path, "--all", "--tile", "3", "--precision", "float32"]
    command += ["--output", request.output, "--cluster", "local:2", "--resume"]
    command += ["--threads", str(torch.get_num_threads())]
    listed = Path(f"{request.output}.parts", "done.jsonl")
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as process:
        while process.poll() is None and not (listed.exists() and listed.stat().st_size):
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    assert not Path(request.output).exists() and listed.exists()
    done = subprocess.run([*command, "--json"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["tiles"] == PARTS
    assert bytes_in(Path(request.output).parent) == expected


def test_without_its_packages_a_sentence_says_what_to_install(
    run_of: RunOf, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    request = run_of("fine.tif")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "distributed" else find(name, *more)
    )
    status = main(
        [
            *("super-resolve", "--model", "bicubic", "--factor", "4", "--target", request.target.path),
            *("--all", "--output", request.output, "--cluster", "local"),
        ]
    )
    assert status == 1
    assert capfd.readouterr().err == (
        "--cluster needs distributed: install what requirements-cluster.txt lists (pip install -r "
        "requirements-cluster.txt), or leave it out.\n"
    )
