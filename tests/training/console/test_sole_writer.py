"""One process at a time writes a place."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import InputError
from tests.source_tree import ROOT
from training.cascade.train import train
from training.console.sole_writer import sole_writer
from training.preparation.new_store import new_store
from training.schema.config import load_config

_HOLD = """
import sys
from pathlib import Path
from training.console.sole_writer import sole_writer
with sole_writer(Path(sys.argv[1]), "training in"):
    print("held", flush=True)
    input()
"""


@pytest.fixture()
def hold():
    """Return a function that lets another process hold a place; it is released at the end of the test."""
    started = []

    def hold_(place: Path) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", _HOLD, str(place)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold_
    for process in started:
        process.kill()
        process.communicate()


def test_the_second_is_refused_and_the_end_of_the_first_releases(tmp_path: Path, hold) -> None:
    place = tmp_path / "runs" / "rain"
    first = hold(place)
    with (
        pytest.raises(InputError, match=rf"Another process is writing {place}: wait"),
        sole_writer(place, "writing"),
    ):
        pass
    with sole_writer(place.with_name("other"), "writing"):
        pass
    first.communicate("\n")
    assert not place.parent.exists()  # no trace of the hold
    with sole_writer(place, "writing"):
        assert not place.exists()
    assert not place.parent.exists()


def test_a_crash_releases(tmp_path: Path, hold) -> None:
    place = tmp_path / "rain"
    first = hold(place)
    first.send_signal(signal.SIGKILL)
    first.wait()
    with sole_writer(place, "writing"):
        pass
    assert os.listdir(tmp_path) == []


def test_a_training_and_a_store_hold_their_places(tmp_path: Path, hold) -> None:
    config = load_config(ROOT / "training/configs/tiny.yaml")
    hold(tmp_path / config.model.id)
    with pytest.raises(InputError, match=f"Another process is training in .*{config.model.id}"):
        train(config, tmp_path, quiet=True)
    assert not (tmp_path / config.model.id).exists()
    hold(tmp_path / "a.zarr")
    with (
        pytest.raises(InputError, match=r"Another process is writing .*a\.zarr"),
        new_store(tmp_path / "a.zarr", True),
    ):
        pass


def test_an_evaluation_holds_its_report(tmp_path: Path, hold) -> None:
    from training.evaluate import run

    hold(tmp_path / "report.html")
    with pytest.raises(InputError, match=r"Another process is writing .*report\.html"):
        run([str(ROOT / "training/configs/tiny.yaml"), "--report", str(tmp_path / "report.html")])


def test_where_nothing_was_written_no_folder_is_left(tmp_path: Path) -> None:
    place = tmp_path / "runs" / "deep" / "tiny"
    with sole_writer(place, "training in"):
        pass
    assert list(tmp_path.iterdir()) == []
    with sole_writer(place, "training in"):
        place.mkdir()
    assert list((tmp_path / "runs" / "deep").iterdir()) == [place]
