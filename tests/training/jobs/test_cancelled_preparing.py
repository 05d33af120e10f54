"""A preparation that is cancelled leaves nothing that looks whole."""

from __future__ import annotations

import os

import pytest

from engine.errors import Cancelled
from training.console.followed import followed
from training.jobs.preparing import prepare


class CancelsAt:
    """Feedback of somebody who wants no more once a phase has begun."""

    def __init__(self, phase: str) -> None:
        self.phase, self.cancelled = phase, False

    def progress(self, fraction: float, phase: str, *more: object) -> None:
        self.cancelled |= phase == self.phase

    def log(self, message: str, level: str = "info") -> None:
        """Hear it."""

    def check_cancelled(self) -> None:
        if self.cancelled:
            raise Cancelled("The run was cancelled.")


def test_nothing_but_the_description_is_left(dataset, tmp_path):
    before = os.getcwd()
    request = {"folder": str(tmp_path), "dataset": dataset, "yaml": str(tmp_path / "valley.yaml")}
    with pytest.raises(Cancelled):
        prepare(request, CancelsAt("Aligning the rasters"))
    assert [path.name for path in tmp_path.rglob("*") if path.name != "stores"] == ["valley.yaml"]
    assert os.getcwd() == before and followed() is None
    assert prepare(request, CancelsAt("never"))["store"] == str(tmp_path / "stores/valley.zarr")
