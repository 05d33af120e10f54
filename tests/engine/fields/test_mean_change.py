"""The mean's change over a run's years, month by month."""

from __future__ import annotations

import pytest
import torch

from engine.dates import When, parse
from engine.fields.mean_change import MeanChange


def fed(dates: list[str], coarse: list[float], fine: list[float]) -> MeanChange:
    change = MeanChange([parse(date) for date in dates])
    for number, values in enumerate(zip(coarse, fine)):
        change.add(number, *(torch.full((2, 3), value) for value in values))
    change.keep()
    return change


def test_months_are_compared_with_themselves() -> None:
    """More of the warm months later, and a warming of 2 in each month, of which half arrives."""
    dates = ["2001-01", "2001-01-15", "2001-07", "2050-01", "2050-07", "2050-07-10", "2050-07-20"]
    level = [0, 0, 20, 2, 22, 22, 22]
    change = fed(dates, level, [v - (v in (2, 22)) for v in level])
    told = change.result()
    assert told == {"earlier": [2001, 2001], "later": [2050, 2050], "coarse": 2.0, "fine": 1.0}
    assert change.in_words("degC") == (
        "Mean change from 2001 to 2050, month by month: coarse +2 degC, fine +1 degC."
    )


def test_a_middle_year_is_in_neither_half() -> None:
    dates = [f"{year}-0{month}" for year in range(2000, 2005) for month in (1, 2)]
    told = fed(dates, list(range(10)), list(range(10))).result()
    assert (told["earlier"], told["later"]) == ([2000, 2001], [2003, 2004])
    assert told["coarse"] == told["fine"] == 6.0


@pytest.mark.parametrize(
    "dates",
    [["2001-01", "2001-07"], ["--01", "--02"], ["2001-01", "2002-07", "2002-08"]],
    ids=["one year", "no years", "one date in a half"],
)
def test_where_there_is_no_change_to_tell_there_is_none(dates: list[str]) -> None:
    change = fed(dates, [1.0] * len(dates), [1.0] * len(dates))
    assert change.result() is None and change.in_words("m") == ""
    assert MeanChange([None, When(2001, 1)]).measured is False


def test_halves_that_share_no_month_have_none() -> None:
    change = fed(["2001-01", "2001-02", "2005-07", "2005-08"], [1.0] * 4, [1.0] * 4)
    assert change.measured and change.result() is None


def test_missing_cells_count_in_neither_and_a_tile_done_again_counts_once() -> None:
    change = MeanChange([parse(d) for d in ("2001-01", "2001-01-02", "2005-01", "2005-01-02")])
    nan = torch.nan
    change.add(0, torch.tensor([[9.0]]), torch.tensor([[9.0]]))
    change.forget()  # memory ran out
    for number, value in enumerate((1.0, 1.0, 4.0, 4.0)):
        coarse, means = torch.tensor([[value, 100.0, nan]]), torch.tensor([[value, nan, 100.0]])
        change.add(number, coarse, means)
    change.keep()
    assert change.result()["coarse"] == change.result()["fine"] == 3.0
