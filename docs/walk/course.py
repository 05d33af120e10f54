"""How a walk goes on: station after station, each a run of steps, driven by a timer within QGIS."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hand import Hand, Steps, Wait, WalkError
from qgis.PyQt.QtCore import QObject, QTimer

Station = Callable[[Hand, dict[str, Any]], Steps]
_TICK = 150  # milliseconds


class Course(QObject):
    """Walks along stations; a step that fails ends it.

    A timer drives it, which also runs while a dialog has the window for itself.

    Args:
        stations: the functions, whose names are the stations'.
        hand: clicks, and counts.
        facts: what the stations know and learn; it is written with the report.
        report: the JSON file to write.
        ended: is called in the end.
    """

    def __init__(
        self,
        stations: Sequence[Station],
        hand: Hand,
        facts: dict[str, Any],
        report: Path,
        ended: Callable[[], None],
    ) -> None:
        super().__init__()
        self._stations = list(stations)
        self._hand = hand
        self._facts = facts
        self._report = report
        self._ended = ended
        self._rows: list[dict[str, Any]] = []
        self._steps: Steps | None = None
        self._wait: Wait | None = None
        self._since = 0.0
        self._inside = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)

    def begin(self) -> None:
        """Begin to walk."""
        self._hand.began = time.monotonic()
        self._timer.start(_TICK)

    def _tick(self) -> None:
        if self._inside:  # a step that handles events
            return
        self._inside = True
        try:
            self._go_on()
        except Exception as error:
            self._end(str(error) if isinstance(error, WalkError) else traceback.format_exc())
        finally:
            self._inside = False

    def _go_on(self) -> None:
        if self._steps is None:
            if not self._stations:
                self._end("")
                return
            self._steps = self._stations[0](self._hand, self._facts)
            self._wait = None
        if self._wait is not None and not self._wait.until():
            if time.monotonic() - self._since > self._wait.seconds:
                raise WalkError(f"After {self._wait.seconds:.0f} s it is not so that {self._wait.words}.")
            return
        self._wait = next(self._steps, None)
        self._since = time.monotonic()
        if self._wait is None:
            self._arrive("")
            self._stations.pop(0)
            self._steps = None

    def _arrive(self, failure: str) -> None:
        name = self._stations[0].__name__
        picture = self._hand.picture(f"{len(self._rows) + 1:02d}_{name}{'_failed' if failure else ''}")
        self._rows.append(
            {
                "station": name,
                "seconds": round(time.monotonic() - self._hand.began, 1),
                "clicks": self._hand.clicks,
                "texts": self._hand.texts,
                "picture": str(picture),
                "failure": failure,
            }
        )
        print(f"walk: {json.dumps(self._rows[-1])}", flush=True)

    def _end(self, failure: str) -> None:
        self._timer.stop()
        if failure:
            self._arrive(failure)
        left = [station.__name__ for station in self._stations]
        report = {"rows": self._rows, "left": left, "facts": self._facts}
        self._report.write_text(json.dumps(report, indent=1, default=str), encoding="utf-8")
        self._ended()
