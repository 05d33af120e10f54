"""Claims of an ensemble: which ratio meets which bar, and with whom it is compared."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from training.evaluation.bootstrap import Interval
from training.results.claims.claim import ResultsSection
from training.results.claims.rain import ensemble_claims, strongest

MAE = {"weak": 4.0, "known": 2.5, "strong": 1.8, "m": 1.7}
CRPS = 1.3


class Scored:
    """An evaluation with made-up numbers."""

    model = "m"

    def __init__(self):
        crps = SimpleNamespace(compute=lambda: CRPS)
        self.scores = [
            SimpleNamespace(
                case=SimpleNamespace(name=name, title=name, group="model" if name == "m" else "simple"),
                values={"mae": mae},
                kind="central",
                ensemble={"crps": crps},
            )
            for name, mae in MAE.items()
        ]

    def score(self, name):
        return next(s for s in self.scores if s.case.name == name)

    def compare(self, method, reference, measure="rmse", against=""):
        value = 1.05 if measure == "spread" else CRPS / MAE[reference]
        return SimpleNamespace(ratio=Interval(value, value - 0.1, value + 0.1), few="3 dates only")


@pytest.mark.parametrize(("networks", "claims"), [({}, 4), ({"net": 1.6, "other": 2.0}, 5)])
def test_an_ensemble_is_held_to_its_bars(monkeypatch, networks, claims):
    monkeypatch.setattr(
        "training.results.claims.rain.deterministic_networks", lambda context, config: networks
    )
    section = ResultsSection("Rain")
    ensemble_claims(None, section, Scored(), "c.yaml", "known")
    assert len(section.claims) == claims and bool(section.missing) is not bool(networks)
    told = {claim.claim.removeprefix("Rain: "): claim for claim in section.claims}
    known = told["fair CRPS of m against the MAE of known"]
    assert known.value == pytest.approx(1.3 / 2.5) and known.holds and str(known.bar) == "<= 0.7"
    assert known.few == "3 dates only" and known.interval_in_words == "0.42 to 0.62 (3 dates only)"
    best = told["fair CRPS of m against the MAE of the strongest simple method, strong"]
    assert best.value == pytest.approx(1.3 / 1.8) and not best.holds
    assert str(told["spread over skill of m"].bar) == "0.9 to 1.1"
    if networks:
        network = told["fair CRPS of m against the MAE of the best deterministic network, net"]
        assert network.value == pytest.approx(1.3 / 1.6) and not network.holds


def test_the_strongest_is_the_lowest_of_those_wanted():
    assert strongest(Scored(), "mae", lambda s: s.case.group == "simple") == "strong"
