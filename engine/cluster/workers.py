"""Whether the workers of a cluster can make steps, asked before they are given any."""

from __future__ import annotations

from typing import Any

from engine.errors import EngineError
from engine.version import VERSION


def check_workers(client: Any) -> None:
    """Ask every worker for its engine.

    Args:
        client: a `distributed.Client`.

    Raises:
        EngineError: there is no worker, or one has no engine or another one.
    """
    try:
        versions = client.run(_version, on_error="return")
    except (OSError, TimeoutError, ValueError) as error:  # of the connection, or without any worker
        raise EngineError("The cluster has no worker that answers: start one and try again.") from error
    if not versions:
        raise EngineError("The cluster has no worker: start one and try again.")
    for address, version in versions.items():
        if isinstance(version, BaseException):
            raise EngineError(
                f"The worker {address} cannot load the engine: start it with the same Python environment and "
                "in the folder of this engine."
            ) from version
        if version != VERSION:
            raise EngineError(
                f"The worker {address} has the engine {version}, but this one is {VERSION}: start it with "
                "the same Python environment."
            )


def _version() -> str:
    from engine.version import VERSION as own  # of the process that is asked

    return own
