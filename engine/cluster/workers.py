"""Whether the workers of a cluster can make steps, asked before they are given any."""

from __future__ import annotations

from typing import Any

from engine.errors import EngineError
from engine.version import VERSION


def check_workers(client: Any) -> list[str]:
    """Ask every worker for its engine, and return what may make their parts differ.

    Args:
        client: a `distributed.Client`.

    Raises:
        EngineError: there is no worker, or one has no engine or another one.
    """
    try:
        engines = client.run(_engine, on_error="return")
    except (OSError, TimeoutError, ValueError) as error:  # of the connection, or without any worker
        raise EngineError("The cluster has no worker that answers: start one and try again.") from error
    if not engines:
        raise EngineError("The cluster has no worker: start one and try again.")
    for address, told in engines.items():
        if isinstance(told, BaseException):
            raise EngineError(
                f"The worker {address} cannot load the engine: start it with the same Python environment "
                "and with PYTHONPATH naming the folder that holds engine/."
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


def _engine() -> tuple[str, str]:
    """Return the engine of the process that is asked, and the kind of its processor."""
    import torch

    from engine.version import VERSION as own

    return own, torch.backends.cpu.get_cpu_capability()
