"""A preparation that is cancelled or fails leaves nothing that looks whole, and can be told anew."""

from __future__ import annotations

import os

import pytest

from engine.errors import Cancelled, InputError
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


def test_a_mistake_can_be_corrected(dataset, tmp_path):
    request = {"folder": str(tmp_path), "yaml": str(tmp_path / "valley.yaml")}
    bad = tmp_path / "bad.tif"
    bad.write_text("no raster")
    coarse = {"name": "rain", "units": "mm", "coarse": {"files": str(bad), "file_units": "mm"}}
    mistaken = {**request, "dataset": {**dataset, "target": coarse}}
    with pytest.raises(InputError, match=r"bad\.tif"):
        prepare(mistaken, CancelsAt("never"))
    assert not (tmp_path / "valley.yaml").exists()
    assert prepare({**request, "dataset": dataset}, CancelsAt("never"))["store"]
    text = (tmp_path / "valley.yaml").read_text()
    with pytest.raises(InputError, match=r"bad\.tif"):
        prepare({**mistaken, "overwrite": True}, CancelsAt("never"))
    assert (tmp_path / "valley.yaml").read_text() == text and (tmp_path / "stores/valley.zarr").is_dir()
