"""How far a run is, and how long it has left: tiles by the clock, writing by what it took before."""

from __future__ import annotations

import time

from engine.feedback import Feedback

_BEGIN, _END = 0.03, 0.99  # of the whole job, which tiles and writing share
_PACE = {"cells per second": 2e7}  # of writing; learned from each run of this process


class RunPace:
    """Tells the progress of tiles and writing, which share the bar as they share the time.

    Args:
        feedback: hears of it.
        cells: to be written, of all bands and files.
    """

    def __init__(self, feedback: Feedback, cells: int) -> None:
        self.feedback, self.cells = feedback, max(cells, 1)
        self._started = time.monotonic()
        self._writing_since = self._started
        self._fraction = _BEGIN

    def tiles(self, done: int, total: int, begun: float = 0.0) -> None:
        """Tell that some tiles are done, and of the next one the share `begun`."""
        passed = time.monotonic() - self._started
        if done + begun <= 0:
            self._tell(0.0, "Super-resolving", done, total, None)
            return
        whole = passed / (done + begun) * total
        self._tell(
            passed / (whole + self._writing), "Super-resolving", done, total, whole - passed + self._writing
        )

    def writing(self, written: int, files: int, tiles: int) -> None:
        """Tell that some files are whole; with the first call the tiles are done."""
        now = time.monotonic()
        if not written:
            self._writing_since = now
        passed, spent = self._writing_since - self._started, now - self._writing_since
        share = written / files
        whole = spent / share if written else self._writing
        if written == files:
            _PACE["cells per second"] = self.cells / max(spent, 0.1)
        self._tell(
            (passed + share * whole) / (passed + whole), "Writing the output", tiles, tiles, whole - spent
        )

    @property
    def _writing(self) -> float:
        """Seconds that the writing may take."""
        return self.cells / _PACE["cells per second"]

    def _tell(self, share: float, phase: str, done: int, total: int, left: float | None) -> None:
        self._fraction = max(self._fraction, _BEGIN + (_END - _BEGIN) * min(share, 1.0))
        self.feedback.progress(self._fraction, phase, done, total, None if left is None else max(left, 0.0))
