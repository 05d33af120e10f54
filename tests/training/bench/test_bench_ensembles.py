"""What an ensemble costs, and which stage its time counts for."""

from __future__ import annotations

import json
import time

import pytest
import torch

from engine.errors import InputError
from engine.fields.ensemble import MemberMoments
from engine.nets.noise import Noise
from training.bench import ensembles, stages
from training.bench.ensembles import KeptNoise, ensemble_lines


def test_an_ensemble_is_set_against_its_members_passes(capsys):
    before = MemberMoments.add
    arguments = ["--model", "rainitur8", "--side", "128", "--members", "2", "--rounds", "1", "--profile"]
    assert ensembles.run([*arguments, "--files", "support", "--json"]) == 0
    costs = json.loads(capsys.readouterr().out)["rainitur8"]
    assert "float32" in costs and MemberMoments.add is before
    for cost in costs.values():
        assert min(cost[name] for name in ("tile", "files", "tile_over_bare", "files_over_bare")) > 0
        assert sum(cost["stages"].values()) == pytest.approx(1)
        assert min(cost["stages"][name] for name in ("noise", "network", "statistics")) > 0
    told = "\n".join(ensemble_lines(costs))
    assert "2 members over 2 own passes, float32" in told and "network" in told


def test_a_method_without_noise_is_refused():
    with pytest.raises(InputError, match="no ensemble"):
        ensembles.run(["--model", "rainitur8spatial", "--side", "128", "--rounds", "1"])


def test_kept_noise_is_the_noise():
    noise = Noise(3, (2,), torch.tensor([[4, 5]]))
    kept, place = KeptNoise(noise), (1, 2, (3, 4), 5, 2)
    assert torch.equal(kept.at(*place), noise.at(*place)) and kept.at(*place) is kept.at(*place)


def test_time_within_an_inner_stage_counts_there_alone():
    class Work:
        def outer(self):
            self.inner()

        def inner(self):
            end = time.thread_time() + 0.05
            while time.thread_time() < end:
                pass

    with stages._counted((("one", Work, "outer"), ("other", Work, "inner"))) as taken:
        Work().outer()
    assert taken["other"] >= 0.05 and 0 <= taken["one"] < 0.04
