"""What is finished is written in a thread of its own, while the next is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")


class WriteBehind(Generic[Item]):
    """Context manager that takes items, in turn; leaving it without an error waits until all are written.

    Args:
        write: writes one; never called twice at the same time.
        most: how many may wait; who brings one more waits for the first.
    """

    def __init__(self, write: Callable[[Item], None], most: int) -> None:
        self.write, self.most = write, most
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> WriteBehind[Item]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise the first error of what waited; after another error write no more."""
        try:
            while kind is None and self._waiting:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def __call__(self, item: Item) -> None:
        """Take an item; raises what writing an earlier one raised."""
        self._waiting.append(self._pool.submit(self.write, item))
        while len(self._waiting) > self.most or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()
