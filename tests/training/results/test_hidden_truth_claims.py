"""The bench's committed record: its demands as claims, and its run again by its own command."""

from __future__ import annotations

import math

import pytest

from training.records.record import Record, append, committed
from training.results import rerun as runs
from training.results.claims.context import ResultsContext
from training.results.claims.hidden_truth import OTHERS, demanded, hidden_truth, worst_of_cascade
from training.withheld.peers.registry import PEERS


def record(**changed: object) -> Record:
    """Return a record of one case that the method wins."""
    fields = {
        "id": "hidden-truth-1",
        "kind": "hidden_truth",
        "config": "training/hidden_truth.py",
        "hash": "1" * 64,
        "seed": 0,
        "steps": 0,
        "command": "python -m training.hidden_truth --quick",
        "metrics": {
            "a": {"oracle": 0.5, "sharpen": 0.6, "sharpen low": 0.5, "sharpen high": 0.7, "dms": 1.2},
        },
        "finished": "2026-01-01T00:00:00Z",
        "notes": {
            "means": {"sharpen": {"ratio": [0.6, 0.5, 0.7]}},
            "demands": [
                {"what": "takes what is there", "where": "a", "value": 0.6, "limit": 0.85, "holds": True},
                {"what": "states its error", "where": "all", "value": 0.6, "limit": 0.75, "holds": False},
                {"what": "better than dms", "where": "all", "value": 1.2, "limit": 1.2, "holds": False},
            ],
        },
    }
    return Record.model_validate(fields | changed)


def test_demands_are_claims_with_their_bars(tmp_path) -> None:
    append(tmp_path / "hidden_truth.jsonl", record())
    section = hidden_truth(ResultsContext(print, folder=tmp_path))
    assert [claim.holds for claim in section.claims] == [True, False, False]
    assert (section.claims[0].low, section.claims[0].high) == (0.5, 0.7)
    assert section.figures[0].value == 0.6
    assert "0.600" in section.text and "1.200" in section.text


def test_the_cascade_is_held_to_its_worst_case() -> None:
    one = {"cascade": 0.9, "cascade low": 0.8, "cascade high": 0.95}
    other = {"cascade": 1.02, "cascade low": 0.99, "cascade high": 1.05}
    notes = {"demands": [{"what": "no harm", "where": "a", "value": 0.9, "limit": 1.01, "holds": True}]}
    (claim,) = worst_of_cascade(record(metrics={"a": one, "b": other, "c": {"sharpen": 2.0}}, notes=notes))
    assert "2 cases (b)" in claim.claim and (claim.value, claim.low, claim.high) == (1.02, 0.99, 1.05)
    assert claim.verdict == "no"
    assert worst_of_cascade(record(metrics={"a": one}, notes=notes))[0].verdict == "yes"
    assert worst_of_cascade(record(notes=notes)) == []


def test_without_a_record_it_says_so(tmp_path) -> None:
    assert hidden_truth(ResultsContext(print, folder=tmp_path)).missing


def test_every_committed_demand_is_judged_as_the_bench_judged_it() -> None:
    (own,) = [r for r in committed() if r.kind == "hidden_truth"]
    for demand in own.notes["demands"]:
        assert (demanded(demand, own).verdict != "no") == demand["holds"], demand
    assert all(math.isfinite(values["sharpen"]) for values in own.metrics.values())


def test_it_is_run_again_by_its_own_command(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    again = record(metrics={"a": {"sharpen": 0.61}})

    def run(words: list[str], **_: object) -> None:
        assert words[1:4] == ["-m", "training.hidden_truth", "--quick"]
        from pathlib import Path

        append(Path(words[words.index("--record") + 1]), again)

    monkeypatch.setattr(runs.subprocess, "run", run)
    assert runs.rerun(record(), print) == {"a": {"sharpen": 0.61}}


def test_the_page_names_every_peer_of_the_bench() -> None:
    assert {id: title.casefold() for id, title in OTHERS.items()} == {
        id: peer.title.casefold() for id, peer in PEERS.items()
    }
