"""What the next steps need is made ahead, in a thread of its own, while this step is worked on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Generic, TypeVar

Batch = TypeVar("Batch")


class Prefetcher(Generic[Batch]):
    """Gives batches by the step's number; what a batch holds depends on that number alone.

    `waited` counts the seconds that steps stood still for their batches.

    Args:
        make: makes the batch of a step; never called twice at the same time.
        end: no batch of this step or a later one is wanted; may be changed when none is made ahead.
        ahead: how many steps' batches are made before they are asked for.
    """

    def __init__(self, make: Callable[[int], Batch], end: int, ahead: int = 1) -> None:
        self.make, self.end, self.ahead = make, end, ahead
        self.waited = 0.0
        self._pool: ThreadPoolExecutor | None = None
        self._next: deque[tuple[int, Future[Batch]]] = deque()

    def __enter__(self) -> Prefetcher[Batch]:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None
        self._next.clear()

    def __call__(self, step: int) -> Batch:
        """Return a step's batch; raises what making it raised."""
        start = time.perf_counter()
        if self._next and self._next[0][0] == step:
            batch = self._next.popleft()[1].result()
        else:
            self._wait()  # two must not be made at the same time
            batch = self.make(step)
        self.waited += time.perf_counter() - start
        while self._pool is not None and len(self._next) < self.ahead:
            following = step + 1 + len(self._next)
            if following >= self.end:
                break
            self._next.append((following, self._pool.submit(self.make, following)))
        return batch

    def forget(self) -> None:
        """Drop what was made ahead, errors too, as when the steps' numbers change their meaning.

        Nothing is being made any more when it returns.
        """
        for _, future in self._next:
            future.cancel()
        self._wait()

    def _wait(self) -> None:
        wait([future for _, future in self._next])
        self._next.clear()
