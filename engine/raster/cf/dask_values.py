"""Values of arrays of Dask, computed by the thread that asks for them, also those that lie on a cluster."""

from __future__ import annotations

import sys
import time
from typing import Any

from engine.errors import EngineError, InputError

_LOOK_SECONDS = 10  # that a task waits for what a cluster makes anew, before it makes room for that
_SECONDS = 600  # after which it is given up
_missed: dict[Any, float] = {}  # since when this process waits for a key


def wait_for(array: Any) -> None:
    """Wait until what a cluster is making of an array (`persist`) is made.

    Chunks that need it would take the places of the tasks that they wait for.
    """
    distributed = sys.modules.get("distributed")
    if distributed is None or array.chunks is None:
        return
    if futures := distributed.futures_of(array.data):
        distributed.wait(futures)


def loaded(array: Any, called: str) -> Any:
    """Return the values of an `xarray.DataArray`.

    Args:
        array: the piece that is wanted.
        called: how sentences call it.

    Raises:
        InputError: what makes it fails.
    """
    if array.chunks is None:
        return array.values
    distributed = sys.modules.get("distributed")
    try:
        data = array.data if distributed is None else _with_fetched(array.data, distributed)
        # By this thread: within a task of Dask another scheduler would wait for the task itself.
        return data.compute(scheduler="synchronous")
    except (EngineError, MemoryError):
        raise
    except Exception as error:  # of whatever the user lets Dask do; its words may tell addresses in full
        if distributed is not None and isinstance(error, distributed.Reschedule):
            raise
        raise InputError(
            f"{called} cannot be computed ({type(error).__name__}): try its .compute() by itself."
        ) from error


def _with_fetched(data: Any, distributed: Any) -> Any:
    """Return an array of Dask with the values in place of what refers to a cluster."""
    keys = sys.modules["dask.core"].flatten(data.__dask_keys__())  # whoever has an array of Dask has that too
    graph = dict(data.dask.cull(set(keys)))
    there = {key: task for key, task in graph.items() if isinstance(task, distributed.Future)}
    if not there:
        return data
    graph.update({key: _fetched(future, distributed) for key, future in there.items()})
    return type(data)(graph, data.name, data.chunks, meta=data)


def _fetched(future: Any, distributed: Any) -> Any:
    """Return what a cluster holds.

    Raises:
        Reschedule: within a task: its worker has gone, and it is made anew, perhaps in this one's place.
    """
    if future.client is not None:
        return future.result(timeout=_SECONDS)
    # One that came inside a task belongs to no client, and says no state.
    own = distributed.Future(future.key, client=distributed.get_client(), state="memory")
    try:
        value = own.result(timeout=_LOOK_SECONDS)
    except distributed.TimeoutError:
        if time.monotonic() - _missed.setdefault(future.key, time.monotonic()) < _SECONDS:
            raise distributed.Reschedule from None
        raise
    _missed.pop(future.key, None)
    return value
