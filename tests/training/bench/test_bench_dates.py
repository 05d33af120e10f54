"""What a date costs in a run of many."""

from __future__ import annotations

import json

import pytest

from training.bench import dates


def test_many_dates_are_set_against_one(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "rainitur8", "--side", "128", "--rounds", "1", "--threads", "1"]
    assert dates.run([*arguments, "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)["rainitur8"]
    assert cost["gain"] == pytest.approx(cost["many"] / cost["one"]) and cost["dates"] == 12
    assert min(cost["one"], cost["many"]) > 0 and sum(cost["stages"].values()) == pytest.approx(1)
    told = "\n".join(dates.date_lines("rainitur8", cost))
    assert "12 dates over one" in told and "network" in told
