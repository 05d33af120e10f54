"""Batches made ahead: the next one in a thread of its own while the network works on this one."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Batch = TypeVar("Batch")


class Prefetcher(Generic[Batch]):
    """Gives batches by the step's number; what a batch holds depends on that number alone.

    `waited` counts the seconds that steps stood still for their batches.

    Args:
        make: makes the batch of a step; never called twice at the same time.
        end: no batch of this step or a later one is wanted.
    """

    def __init__(self, make: Callable[[int], Batch], end: int) -> None:
        self.make, self.end = make, end
        self.waited = 0.0
        self._pool: ThreadPoolExecutor | None = None
        self._next: tuple[int, Future[Batch]] | None = None

    def __enter__(self) -> Prefetcher[Batch]:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = self._next = None

    def __call__(self, step: int) -> Batch:
        """Return a step's batch; raises what making it raised."""
        start = time.perf_counter()
        expected, future = self._next or (None, None)
        made = future.result() if future is not None else None
        batch = made if made is not None and expected == step else self.make(step)
        self.waited += time.perf_counter() - start
        if self._pool is not None and step + 1 < self.end:
            self._next = (step + 1, self._pool.submit(self.make, step + 1))
        else:
            self._next = None
        return batch
