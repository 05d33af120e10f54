"""A last training, on what was held out to judge the first."""

from __future__ import annotations

import json

import pytest
import torch

from engine.errors import InputError
from engine.package.folder import load_package
from training.data.split import split_archive
from training.defaults.members import JUDGED, members_of
from training.schema.config import load_config, parse_config
from training.trainer.refit import all_data, last_training
from training.trainer.run import CONFIGURATION, train_network


@pytest.fixture
def again(settings, small):
    """Settings of the small archive with a last training; patches are few, so it takes a second."""
    settings["data"] = {"name": "small"}
    settings["sources"] = [{"name": "elevation"}]
    settings["validation"] = {"every": 6, "held_out": [5, 6, 7], "refit": True}
    settings["losses"] = {"adversarial": None}
    settings["base"] = "auto"
    return settings


def test_it_learns_from_what_was_held_out_with_what_that_has_judged(again, archive, tmp_path, capsys):
    config = parse_config(again)
    package = train_network(config, tmp_path)
    first, last = load_package(tmp_path / "tiny" / JUDGED), package
    assert "Training once more, on what was held out too, for 18 steps." in capsys.readouterr().out
    log = [json.loads(line) for line in (tmp_path / "tiny/refit/log.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == 18  # 12 steps for six months, so 18 for nine
    assert not first.card.raw["metrics"] and last.card.raw["metrics"]["tiny"]["rmse"] > 0
    # Values are scaled as in the first, and so is the residual; the weights are others.
    assert (last.card.target, last.card.sources) == (first.card.target, first.card.sources)
    assert last.card.base == first.card.base
    one, other = first.weights(), last.weights()
    assert set(one) == set(other) and any(not torch.equal(one[name], other[name]) for name in one)
    # To go on from its end is to end the same.
    assert train_network(config, tmp_path, resume=True, quiet=True).sha256 == last.sha256


def test_without_it_the_judged_model_is_shipped(again, tmp_path):
    again["validation"]["refit"] = False
    train_network(parse_config(again), tmp_path, quiet=True)
    assert not (tmp_path / "tiny" / JUDGED).exists() and not (tmp_path / "tiny/refit").exists()


def test_what_is_shipped_sees_all_training_data(again, archive):
    config = parse_config(again)
    held, whole = (split_archive(c, archive) for c in (config, all_data.as_shipped(config)))
    assert len(held.train.times) == 6 and len(whole.train.times) == 9
    assert whole.test == held.test and not whole.held_out
    again["validation"]["refit"] = None
    plain = parse_config(again)
    assert all_data.as_shipped(plain) is plain and not all_data.refits(plain)


def test_more_truth_takes_more_steps():
    assert last_training.steps_of(10, 200, 300) == 15 and last_training.steps_of(1, 300, 100) == 1


@pytest.mark.parametrize(
    ("rmse", "worth"), [((9, 5, 5.05, 5.09, 5.2), 3), ((9, 5, 7, 8, 9), 1), ((1, 2, 3, 4, 5), 0)]
)
def test_steps_count_as_long_as_they_do_no_harm(tmp_path, rmse, worth):
    lines = [{"step": n, "validation": {"rmse": value, "mae": -n}} for n, value in enumerate(rmse)]
    text = "".join(json.dumps(line) + "\n" for line in [*lines, {"step": 9, "total": 0.1}])
    (tmp_path / "log.jsonl").write_text(text)
    assert last_training.steps_worth(tmp_path / "log.jsonl", "rmse") == worth


def test_members_stand_about_the_last_estimate(again, archive, tmp_path):
    package = train_network(parse_config(again), tmp_path, quiet=True)
    complete = load_config(tmp_path / "tiny" / CONFIGURATION)
    second = members_of(complete, package.folder)
    assert second.start_from == str(tmp_path / "tiny" / JUDGED) and second.ensemble.about
    settings = second.model_dump(mode="json") | {"steps": 4}
    settings["validation"]["every"] = 4
    drawn = train_network(parse_config(settings), tmp_path / "members", quiet=True)
    estimate, weights = package.weights(), drawn.weights()
    assert all(torch.equal(weights[f"estimate.{name}"], value) for name, value in estimate.items())
    # They were judged about the first: spread is told, which needs data that the estimate has not seen.
    assert drawn.card.spread is not None and drawn.card.ensemble
    rmse = [one.card.raw["metrics"]["tiny"]["rmse"] for one in (package, drawn)]
    assert rmse[0] == pytest.approx(rmse[1], rel=1e-4)


def test_members_about_another_network_are_refused(again, archive, tmp_path):
    package = train_network(parse_config(again), tmp_path, quiet=True)
    wide = {**again, "network": {"widths": [12, 12], "boxes": [1, 0]}}
    other = train_network(parse_config(wide), tmp_path / "other", quiet=True)
    second = members_of(load_config(tmp_path / "tiny" / CONFIGURATION), package.folder)
    settings = second.model_dump(mode="json") | {"steps": 4}
    settings["ensemble"]["about"] = str(other.folder)
    with pytest.raises(InputError, match=r"ensemble\.about: the estimate of"):
        train_network(parse_config(settings), tmp_path / "members", quiet=True)
    settings["ensemble"] = {"generator": "noise", "about": "x"}
    settings["network"] = {"widths": [8, 8], "noise": 2}
    with pytest.raises(InputError, match=r"ensemble\.about is for a flow"):
        parse_config(settings)
