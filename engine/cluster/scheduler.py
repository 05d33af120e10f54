"""The scheduler of a cluster that is there already: where it is, and whether it answers."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from distributed.comm.core import CommClosedError, connect
from distributed.core import send_recv
from distributed.security import Security

from engine.cluster.parts_request import PartsRequest
from engine.cluster.workers import CANCELLED
from engine.errors import EngineError

CONNECT_SECONDS = 20
GONE = *CANCELLED, CommClosedError  # what is raised beside an OSError where there is none any more


def check_cluster(wanted: PartsRequest) -> None:
    """Refuse, before anything long, a cluster that is none.

    Raises:
        InputError: it would have no worker, or is no name of a cluster.
        EngineError: no scheduler answers.
    """
    if wanted.cluster is not None and wanted.local is None:
        reached(wanted.cluster)


def reached(cluster: str) -> str:
    """Return the address of a scheduler that answers; Dask's own client waits for that of another service.

    Args:
        cluster: its address, or the file that it has written.

    Raises:
        EngineError: none answers, or something that is none.
    """
    told = "start one with `dask scheduler`, or check the address"
    try:
        where = cluster
        if os.path.isfile(cluster):
            where = json.loads(Path(cluster).read_bytes())["address"]
            if not isinstance(where, str):
                raise ValueError
        kind = asyncio.run(asyncio.wait_for(_kind(where), CONNECT_SECONDS))
    except Exception as error:  # of the system, or of whatever Dask makes of a text and of an answer
        raise EngineError(f"No scheduler of Dask answers at {cluster}: {told}.") from error
    if kind != "Scheduler":
        raise EngineError(
            f"At {cluster} answers a {kind.lower()} of Dask, no scheduler: give the scheduler's address."
        )
    return where


async def _kind(address: str) -> str:
    """Return what of Dask answers at an address."""
    given: dict[str, Any] = Security().get_connection_args("client")
    comm = await connect(address, timeout=CONNECT_SECONDS, **given)
    try:
        identity = await send_recv(comm, op="identity", reply=True)
    finally:
        comm.abort()
    return str(identity["type"])
