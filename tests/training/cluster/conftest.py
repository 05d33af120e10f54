"""Two workers on this machine, and commands that are run with them and without."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch

pytest.importorskip("distributed")

from distributed import LocalCluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalCluster]:
    """Two workers that stay for all tests; one that is killed comes again."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0", memory_limit=None
    ) as made:
        yield made


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks round in another order with another number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@contextmanager
def killing(cluster: LocalCluster, when: Callable[[], bool]) -> Iterator[list[int]]:
    """Kill one of the workers once something is so; gives the list that its process is then in."""
    killed: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if when():
                killed.append(next(nanny.pid for nanny in cluster.workers.values() if nanny.pid))
                os.kill(killed[0], signal.SIGKILL)
                return
            time.sleep(0.01)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield killed
    finally:
        over.set()
        watching.join()


@pytest.fixture
def small_maps(settings: dict) -> dict:
    """Settings of a configuration that any process can read: the real maps, a small part of them."""
    settings.update(data={"name": "itur", "options": {"region": [-20, 40, 4, 64]}})
    settings["sampling"] = {"size": 4, "batch": 2}
    settings["sources"] = [{"name": "temperature", "dropout": 0.3}, {"name": "elevation", "dropout": 0.3}]
    settings["network"] = {"widths": [4, 4], "boxes": [1, 0]}
    settings["checkpoint_every"] = 1
    return settings
