"""The parts of `./dev walk`: from station to station, an end where one fails, what is counted."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from qgis.PyQt.QtWidgets import QApplication, QDialog, QPushButton, QVBoxLayout

WALK = Path(__file__).resolve().parents[3] / "docs" / "walk"


@pytest.fixture
def walk(qgis_app, monkeypatch):
    """The walk's modules, as QGIS' start script sees them."""
    monkeypatch.syspath_prepend(str(WALK))
    import course
    import hand

    return course, hand


@pytest.fixture
def go(walk, tmp_path):
    """Walk along stations to the end; return the report."""
    course, hand = walk

    def run(*stations) -> dict:
        walker = hand.Hand(tmp_path)
        walker.picture = lambda name, window=None: tmp_path / f"{name}.png"
        ended = []
        made = course.Course(
            stations, walker, {"known": 1}, tmp_path / "report.json", lambda: ended.append(1)
        )
        made.begin()
        end = time.monotonic() + 20
        while not ended and time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.02)
        return json.loads((tmp_path / "report.json").read_text())

    return run


def test_it_goes_from_station_to_station(go, walk) -> None:
    _, hand = walk
    order = []

    def first(walker, facts):
        order.append("first")
        end = time.monotonic() + 0.3
        yield hand.wait_for(lambda: time.monotonic() > end, "time goes on")
        walker.clicks += 2

    def second(walker, facts):
        order.append("second")
        facts["learned"] = facts["known"] + 1
        yield hand.rest(0)

    report = go(first, second)
    assert order == ["first", "second"]
    assert [row["clicks"] for row in report["rows"]] == [2, 2]
    assert report["left"] == [] and report["facts"]["learned"] == 2


def test_a_failed_station_ends_it(go, walk) -> None:
    _, hand = walk

    def first(walker, facts):
        yield hand.wait_for(lambda: False, "pigs fly", 0.2)

    def second(walker, facts):
        raise AssertionError

    report = go(first, second)
    assert [row["failure"] for row in report["rows"]] == ["After 0 s it is not so that pigs fly."]
    assert report["left"] == ["first", "second"]
    assert report["rows"][0]["picture"].endswith("01_first_failed.png")


def test_a_fault_is_told_with_its_place(go) -> None:
    def first(walker, facts):
        yield from ()
        raise KeyError("gone")

    (row,) = go(first)["rows"]
    assert "KeyError: 'gone'" in row["failure"] and "test_walk_parts" in row["failure"]


def test_buttons_are_known_by_their_words(walk) -> None:
    _, hand = walk
    window = QDialog()
    layout = QVBoxLayout(window)
    for words in ("", "&Install from bundle …", "…", "hidden"):
        layout.addWidget(QPushButton(words))
    window.show()
    layout.itemAt(3).widget().hide()
    assert hand.button(window, "Install from bundle").text() == "&Install from bundle …"
    assert hand.button(window, "…").text() == "…"
    with pytest.raises(hand.WalkError, match="has no button hidden"):
        hand.button(window, "hidden")


def test_what_is_covered_cannot_be_clicked(walk, tmp_path) -> None:
    _, hand = walk
    window = QDialog()
    below, above = QPushButton("below", window), QPushButton("above", window)
    above.setGeometry(below.geometry())
    window.show()
    walker = hand.Hand(tmp_path)
    with pytest.raises(hand.WalkError, match="below lies below QPushButton above"):
        list(walker.click(below))
    assert walker.clicks == 0


def test_the_command_says_how_it_went() -> None:
    from docs.walk.__main__ import has_failed, told

    row = {"station": "install", "seconds": 1.5, "clicks": 3, "texts": 1, "picture": "a.png", "failure": ""}
    facts = {
        "first result": {"clicks": 3, "texts": 1, "seconds": 1.5},
        "dialogs": {"msr:sharpen": {"shown": ["Coarse raster"], "all": 20}},
    }
    fine = {"rows": [row], "left": [], "facts": facts}
    assert not has_failed(fine)
    text = "\n".join(told(fine))
    assert "3 clicks, 1 texts, 1.5 s" in text and "shows 1 of 20 parameters: Coarse raster" in text
    failed = {"rows": [{**row, "failure": "It burns."}], "left": ["install"], "facts": {}}
    assert has_failed(failed) and "FAILED at install: It burns. See a.png" in told(failed)
    assert has_failed({"rows": [row], "left": ["next"], "facts": {}})
