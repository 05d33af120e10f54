"""How a job tells its caller about its progress and learns that it should stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Feedback(Protocol):
    """Given to every job; the worker, the command line and tests each have their own."""

    def progress(
        self,
        fraction: float,
        phase: str,
        tiles_done: int = 0,
        tiles_total: int = 0,
        seconds_left: float | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        """Report progress: `fraction` of the whole job in 0..1, the phase in a few words.

        Of a training `training` tells more: its step, steps, losses and validation.
        """

    def log(self, message: str, level: str = "info") -> None:
        """Pass on one line; `level` is "info" or "warning"."""

    def check_cancelled(self) -> None:
        """Raise `engine.errors.Cancelled` when the user has asked to stop."""


class Silent:
    """Feedback for callers that do not listen; keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def progress(
        self,
        fraction: float,
        phase: str,
        tiles_done: int = 0,
        tiles_total: int = 0,
        seconds_left: float | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> None:
        """Ignore it."""

    def log(self, message: str, level: str = "info") -> None:
        """Keep warnings, ignore the rest."""
        if level == "warning":
            self.warnings.append(message)

    def check_cancelled(self) -> None:
        """Never cancelled."""
