"""What a training tells while it runs: the time left, and steps that taught nothing."""

from __future__ import annotations

import pytest

from training.console.time_left import TimeLeft, duration
from training.trainer.progress import Progress
from training.trainer.step_log import Losses


def told_after(seconds, steps, every, validated=()):
    """Return what is left after each of the steps that took these seconds."""
    now = [0.0]
    left = TimeLeft(0, steps, every, clock=lambda: now[0])
    said = []
    for step, taken in enumerate(seconds, start=1):
        now[0] += taken
        left.after(step, step in validated)
        said.append(left.seconds(step))
    return said, left


def test_the_time_left_knows_nothing_of_the_first_steps():
    """100 seconds of preparation, booked on the first step, then a second for each of 720."""
    said, left = told_after([100.0, 20.0, 5.0] + [1.0] * 17, 720, 1000)
    assert said[:9] == [None] * 9  # five steps left out, five measured
    assert said[9] == pytest.approx(710) and said[19] == pytest.approx(700)
    assert left.told(20) == "12 min left before validation"


def test_validations_to_come_are_counted_once_one_was_measured():
    said, left = told_after([1.0] * 19 + [31.0], 55, 20, validated={20})
    assert said[18] == pytest.approx(36)
    assert said[19] == pytest.approx(35 + 2 * 30)  # after steps 40 and 55
    assert left.told(20) == "2 min left" and left.told(55) == ""


def test_the_first_steps_of_a_resumed_run_are_left_out_too():
    left = TimeLeft(500, 600, 1000, clock=iter([50.0] + [50.0 + i for i in range(20)]).__next__)
    for step in range(501, 511):
        left.after(step, False)
    assert left.seconds(510) == pytest.approx(90)


def test_times_in_words():
    assert [duration(s) for s in (41.6, 60, 720, 12000)] == ["42 s", "1 min", "12 min", "3 h 20 min"]


@pytest.mark.parametrize("empty", [0, 3])
def test_steps_without_truth_are_counted_and_told(tmp_path, capsys, empty):
    with Progress(tmp_path, 0, 5, quiet=False) as progress:
        for step in range(1, 6):
            size = 0.0 if step <= empty else 0.5
            terms = {"reconstruction": size, "physical": size, "conservation": 0.1, "total": size + 0.1}
            progress.report(step, Losses(terms, 0.1), None)
    told = capsys.readouterr().err
    assert ("3 of 5 steps drew no cell with a truth and taught nothing" in told) == bool(empty)


def test_a_bar_never_tells_of_a_rate_that_the_first_step_spoils(tmp_path, capsys):
    with Progress(tmp_path, 0, 1000, quiet=False) as progress:
        progress.report(1, Losses({"reconstruction": 1.0, "total": 1.0}, 0.1), None)
    told = capsys.readouterr().err
    assert "1/1000" in told and "left" not in told and "/step" not in told and "step/s" not in told
