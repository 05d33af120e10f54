"""Whether the workers of a cluster can make steps, asked before they are given any."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

from engine.errors import EngineError
from engine.version import VERSION

CANCELLED = CancelledError, asyncio.CancelledError  # what a client raises whose scheduler goes


def own_engine() -> tuple[str, str]:
    """Return the engine of the process that is asked, and the kind of its processor."""
    import torch

    from engine.version import VERSION as own

    return own, torch.backends.cpu.get_cpu_capability()


@dataclass(frozen=True)
class EngineAsked:
    """What workers are asked, and how a sentence says that one has no answer.

    Attributes:
        ask: returns the engine's version and the kind of the processor.
        what: a worker cannot load.
        folder: that PYTHONPATH is to hold.
    """

    ask: Callable[[], tuple[str, str]] = own_engine
    what: str = "the engine"
    folder: str = "engine/"


def check_scheduler(client: Any) -> None:
    """Ask the scheduler for its engine, as it reads what tasks are made of.

    Args:
        client: a connected `distributed.Client`.

    Raises:
        EngineError: it has no engine or another one, or does not answer.
    """
    same = "start it with the same Python environment"
    try:
        version, _ = client.run_on_scheduler(own_engine)
    except (OSError, TimeoutError, *CANCELLED) as error:
        raise EngineError("The scheduler of the cluster does not answer: start it again.") from error
    except Exception as error:  # whatever its Python says
        raise EngineError(
            f"The scheduler of the cluster cannot load the engine: {same} as this one and with PYTHONPATH "
            "naming the folder that holds engine/."
        ) from error
    if version != VERSION:
        raise EngineError(
            f"The scheduler of the cluster has the engine {version}, but this one is {VERSION}: {same}."
        )


def _has_gone(told: object) -> bool:
    """Return whether a worker went while it was asked, so that another one may come in its place."""
    from distributed.comm.core import CommClosedError

    return isinstance(told, CommClosedError)


def check_workers(client: Any, asked: EngineAsked | None = None) -> list[str]:
    """Ask scheduler and workers for their engines, and return what may make the workers' parts differ.

    Args:
        client: a `distributed.Client`.
        asked: what; None: the engine alone.

    Raises:
        EngineError: there is no worker, or it or the scheduler has no engine or another one.
    """
    asked = asked or EngineAsked()
    if getattr(client, "status", None) not in ("running", "connecting"):
        raise EngineError(
            "client is no client of Dask that is connected: give a distributed.Client, not yet closed."
        )
    check_scheduler(client)
    try:
        engines = client.run(asked.ask, on_error="return")
    except (OSError, TimeoutError, ValueError, *CANCELLED) as error:  # of the connection, or no worker
        raise EngineError("The cluster has no worker that answers: start one and try again.") from error
    engines = {address: told for address, told in engines.items() if not _has_gone(told)}
    if not engines:
        raise EngineError("The cluster has no worker: start one and try again.")
    for address, told in engines.items():
        if isinstance(told, BaseException):
            raise EngineError(
                f"The worker {address} cannot load {asked.what}: start it with the same Python environment "
                f"and with PYTHONPATH naming the folder that holds {asked.folder}."
            ) from told
        if told[0] != VERSION:
            raise EngineError(
                f"The worker {address} has the engine {told[0]}, but this one is {VERSION}: start it with "
                "the same Python environment."
            )
    kinds = sorted({told[1] for told in engines.values()})
    if len(kinds) < 2:
        return []
    return [
        f"The workers' processors are of different kinds ({', '.join(kinds)}): what a network makes on them "
        "is the same to rounding."
    ]
