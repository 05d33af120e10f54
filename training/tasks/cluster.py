"""The options that let the workers of a Dask cluster do a command's tasks, and the workers themselves."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.cluster.parts_request import WAIT_SECONDS, PartsRequest, check_packages
from engine.cluster.workers import EngineAsked, own_engine
from engine.commands.options import number
from engine.feedback import Silent

if TYPE_CHECKING:
    from engine.cluster.dask_workers import DaskWorkers


def add_cluster(parser: argparse.ArgumentParser, tasks: str) -> None:
    """Add `--cluster` and `--wait`.

    Args:
        parser: of the command.
        tasks: what workers do, in the words of the help.
    """
    parser.add_argument(
        "--cluster",
        metavar="WHERE",
        help=f"let workers of Dask do {tasks}: local or local:N for N processes here, or the address or file "
        "of a scheduler (see docs/cluster.md)",
    )
    parser.add_argument(
        "--wait",
        type=number(1),
        metavar="SECONDS",
        help=f"how long a cluster may be without any worker ({WAIT_SECONDS:.0f})",
    )


def cluster_of(options: argparse.Namespace) -> PartsRequest | None:
    """Return the cluster that a command line asks for; None: this process does all.

    Raises:
        InputError: it would have no worker, or is no name of a cluster.
        EngineError: its packages are not there, or no scheduler answers.
    """
    if options.cluster is None:
        return None
    wanted = PartsRequest(options.cluster, wait=options.wait or WAIT_SECONDS)
    check_packages()
    from engine.cluster.scheduler import check_cluster  # needs those packages

    check_cluster(wanted)
    return wanted


@contextmanager
def training_workers(wanted: PartsRequest, threads: int, name: str) -> Iterator[DaskWorkers]:
    """Give the workers of a cluster, which can load training.

    Args:
        wanted: which cluster.
        threads: that each process computes with.
        name: of a task, as a sentence begins with it.

    Raises:
        EngineError: no scheduler answers, or a worker cannot load training or has another engine.
    """
    from engine.cluster.dask_workers import DaskWorkers, TaskManner

    asked = EngineAsked(own_training, "the engine and training", "engine/ and training/")
    manner = TaskManner(name, "give each worker more", failures=3, kills=1, asked=asked)
    with DaskWorkers(wanted, threads, ToldOnConsole(), manner) as workers:
        yield workers


def own_training() -> tuple[str, str]:
    """Return the engine of the process that is asked, which can load training, and its processor's kind."""
    import filelock  # noqa: F401 - to see that it is there, as the next ones
    import pydantic  # noqa: F401
    import scipy  # noqa: F401
    import yaml  # noqa: F401

    return own_engine()


class ToldOnConsole(Silent):
    """Feedback that says on standard error what a cluster tells."""

    def log(self, message: str, level: str = "info") -> None:
        """Say it."""
        print(message, file=sys.stderr, flush=True)
