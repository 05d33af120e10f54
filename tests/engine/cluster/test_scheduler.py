"""Addresses at which no scheduler answers: one sentence each, before anything long, and nothing written."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("distributed")

from distributed import Client, LocalCluster

from engine.cluster import scheduler as of_cluster
from engine.cluster.parts_request import PartsRequest
from engine.cluster.start import start
from engine.cluster.workers import check_scheduler
from engine.commands.cli import main
from engine.errors import EngineError
from engine.feedback import Silent
from engine.pipeline.request import SuperResolveRequest
from tests.engine.cluster.schedulers import scheduler, worker

RunOf = Callable[..., SuperResolveRequest]
NONE = r"^No scheduler of Dask answers at {}: start one with `dask scheduler`, or check the address\.$"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_cluster, "CONNECT_SECONDS", 2)


@pytest.fixture()
def silent() -> Iterator[str]:
    """Give the address of a service that takes connections and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_service_that_is_silent_is_no_scheduler(silent: str, run_of: RunOf) -> None:
    request, began = run_of("fine.tif"), time.monotonic()
    with pytest.raises(EngineError, match=NONE.format(silent)):
        start(request, PartsRequest(cluster=silent), Silent())
    assert time.monotonic() - began < 15
    assert list(Path(request.output).parent.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    [
        "tcp://127.0.0.1:9",
        "127.0.0.1:99999",
        "tcp://127.0.0.1:abc",
        "tcp://",
        "foo",
        "http://127.0.0.1:9",
        "/",
    ],
)
def test_nor_is_what_is_no_address(address: str) -> None:
    with pytest.raises(EngineError, match=NONE.format(address)):
        of_cluster.reached(address)


@pytest.mark.parametrize("text", ["{}", "[]", "no", '{"address": 3}'])
def test_a_schedulers_file_that_is_none_is_one_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "scheduler.json"
    file.write_text(text)
    with pytest.raises(EngineError, match=NONE.format(file)):
        of_cluster.reached(str(file))


def test_a_worker_is_none_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_cluster, "CONNECT_SECONDS", 20)
    with LocalCluster(n_workers=1, host="127.0.0.1", dashboard_address=":0", memory_limit=None) as made:
        assert of_cluster.reached(made.scheduler_address) == made.scheduler_address
        address = next(iter(made.scheduler_info["workers"]))
        with pytest.raises(EngineError, match=rf"^At {address} answers a worker of Dask, no scheduler"):
            of_cluster.reached(address)


def test_it_is_asked_before_anything_long(run_of: RunOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.cluster.start.super_resolve", lambda *_: pytest.fail("too late"))
    with pytest.raises(EngineError, match="No scheduler of Dask answers"):
        start(run_of("fine.tif"), PartsRequest(cluster="tcp://127.0.0.1:9"), Silent())


def test_a_cluster_without_a_worker_is_one_sentence(
    run_of: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_cluster, "CONNECT_SECONDS", 20)
    request = run_of("fine.tif")
    with scheduler(tmp_path) as (address, _), pytest.raises(EngineError, match=r"had no worker for \d+ sec"):
        start(request, PartsRequest(cluster=address, wait=1.0), Silent())
    assert list(Path(request.output).parent.iterdir()) == []


@pytest.mark.parametrize("workers", [True, False])
def test_a_scheduler_without_the_engine_is_one_sentence(
    run_of: RunOf, tmp_path: Path, workers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_cluster, "CONNECT_SECONDS", 20)
    request = run_of("fine.tif")
    told = r"^The scheduler of the cluster cannot load the engine: start it with the same Python env"
    with scheduler(tmp_path, engine=False) as (address, _), ExitStack() as stack:
        if workers:
            stack.enter_context(worker(address))
            stack.enter_context(Client(address, set_as_default=False)).wait_for_workers(1, timeout=60)
        with pytest.raises(EngineError, match=told):
            start(request, PartsRequest(cluster=address), Silent())
    assert list(Path(request.output).parent.iterdir()) == []


def test_a_scheduler_of_another_engine_is_one_sentence() -> None:
    asked = SimpleNamespace(run_on_scheduler=lambda _: ("0.0.1", ""))
    with pytest.raises(EngineError, match=r"^The scheduler of the cluster has the engine 0\.0\.1, but this"):
        check_scheduler(asked)


def test_a_cluster_without_a_name_is_not_taken_for_none(run_of: RunOf, capfd: pytest.CaptureFixture) -> None:
    request = run_of("fine.tif")
    given = ["super-resolve", "--model", "bicubic", "--factor", "4", "--target", request.target.path, "--all"]
    assert main([*given, "--output", request.output, "--cluster", ""]) == 2
    assert capfd.readouterr().err.startswith("--cluster names no cluster: give local")
    assert not Path(request.output).exists()
