"""A configuration of data, factor and sources alone: what is chosen, that it is said, and that it trains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml

from engine.errors import InputError
from training import ablate
from training.cascade.train import train
from training.cross_validate import cross_validate
from training.defaults.complete import complete, completed
from training.defaults.network import known_truth
from training.defaults.target import best_transform, choose_target
from training.records.record import config_hash
from training.schema.config import parse_config
from training.schema.older import leaves_open, with_older_meaning


@pytest.fixture
def bare(settings, small):
    """No more than is asked for."""
    return {
        "model": settings["model"],
        "data": {"name": "small"},
        "factor": 2,
        "sources": [{"name": "elevation"}, {"name": "temperature"}],
    }


def valued(archive, values, units, name="thing"):
    """Return the archive with another target."""
    fine = np.asarray(values, np.float32)
    coarse = fine.reshape(12, 12, 2, 20, 2).mean((2, 4))
    return replace(archive, fine=fine, coarse=coarse, units=units, target_name=name, target_title=name)


def test_nothing_is_left_open_and_all_is_said(bare, archive, capsys):
    config = parse_config(bare)
    assert leaves_open(config)
    whole = completed(config, archive)
    assert not leaves_open(whole)
    assert (whole.split.kind, whole.validation.held_out) == ("temporal", (8, 9))
    assert (whole.target.bounds, whole.target.conservation) == ((0, None), "multiplicative")
    assert 600 <= whole.steps <= 6000 and whole.validation.patience > 0
    assert whole.validation.every * whole.validation.patience < whole.steps
    assert whole.losses.adversarial is None and whole.network["widths"] and whole.base == "auto"
    told = capsys.readouterr().out
    for word in (
        "Chosen",
        "Test:",
        "Validation:",
        "Target:",
        "Network:",
        "Steps:",
        "Losses:",
        "Base:",
        "Patches:",
    ):
        assert word in told
    assert complete(whole, archive).config == whole and not complete(whole, archive).told
    assert complete(config, archive).config == whole  # and again


def test_what_is_named_stays(bare, archive):
    named = {
        "steps": 7,
        "network": {"widths": [8, 8]},
        "validation": {"every": 3, "where": "training"},
        "split": {"kind": "temporal", "train": [1, 2], "test": [5]},
        "target": {"transform": "log1p", "scale": 3.0, "bounds": None, "conservation": "auto"},
    }
    whole = complete(parse_config({**bare, **named}), archive).config
    assert (whole.steps, whole.network["widths"], whole.validation.every) == (7, [8, 8], 3)
    assert whole.validation.patience == 0 and whole.losses.adversarial is not None
    assert (whole.target.transform, whole.target.scale, whole.target.bounds) == ("log1p", 3.0, (0, None))


def test_own_losses_and_patches_stay_where_the_steps_are_chosen(bare, archive):
    bare |= {"losses": {"reconstruction": {"weight": 3}}, "sampling": {"size": 5}, "optimiser": {"rate": 0.1}}
    bare |= {"validation": {"every": 11}, "base": "bilinear"}
    whole = complete(parse_config(bare), archive).config
    assert whole.losses.reconstruction.weight == 3 and whole.losses.adversarial is not None
    assert (whole.sampling.size, whole.optimiser.rate, whole.validation.every) == (5, 0.1, 11)
    assert whole.base == "bilinear" and whole.steps > 0 and whole.validation.patience > 0


SHAPE = (12, 24, 40)


@pytest.mark.parametrize(
    ("values", "units", "name", "expected"),
    [
        (lambda rng: rng.normal(280, 9, SHAPE), "K", "temperature", ("identity", (None, None), "additive")),
        (lambda rng: rng.normal(0, 3, SHAPE), "", "anomaly", ("identity", (None, None), "additive")),
        (lambda rng: rng.uniform(900, 999, SHAPE), "hPa", "pressure", ("identity", (None, None), "additive")),
        (
            lambda rng: rng.normal(1.5, 0.5, SHAPE).clip(0) ** 3,
            "mm",
            "rain",
            ("cuberoot", (0, None), "multiplicative"),
        ),
        (
            lambda rng: rng.uniform(0, 1, SHAPE),
            "m3/m3",
            "soil_moisture",
            ("identity", (0, 1), "multiplicative"),
        ),
    ],
    ids=["temperature", "signed", "far from zero", "rain", "share"],
)
def test_the_target_follows_from_the_quantity(bare, archive, values, units, name, expected):
    data = valued(archive, values(np.random.default_rng(3)), units, name)
    chosen = choose_target(parse_config({**bare, "split": SPLIT}), data)
    target = chosen.config.target
    assert (target.transform, target.bounds, target.conservation) == expected
    assert units in chosen.told[0] or not units


SPLIT = {"kind": "temporal", "train": [1, 2, 3, 4, 5, 6, 7, 8], "test": [10, 11, 12]}


def test_a_logarithm_is_taken_where_it_is_the_least_skewed():
    rng = np.random.default_rng(1)
    heavy = np.expm1(rng.normal(2, 1.0, 50_000).clip(0))
    name, scale, told = best_transform(heavy)
    assert name == "log1p" and scale == pytest.approx(0.1 * heavy.mean(), rel=0.5) and "skewness" in told
    assert best_transform(rng.normal(3, 1, 50_000) ** 3)[:2] == ("cuberoot", 1.0)
    assert best_transform(np.full(9, 2.0))[:2] == ("identity", 1.0)


def test_beside_a_key_that_is_named_the_others_are_neutral(bare):
    for key, value in (("transform", "cuberoot"), ("conservation", "additive"), ("bounds", [None, 3])):
        target = parse_config({**bare, "target": {key: value}}).target
        assert not target.leaves_open
        assert target.limits == (None, 3 if key == "bounds" else None)
    assert parse_config({**bare, "target": {"strength": 0.5}}).target.leaves_open


def test_a_transform_that_does_not_fit_the_values_is_refused(bare, archive):
    data = valued(archive, np.random.default_rng(0).normal(0, 1, SHAPE), "m")
    with pytest.raises(InputError, match="log1p is for values from 0 on"):
        complete(parse_config({**bare, "target": {"transform": "log1p", "bounds": None}}), data)


def test_a_chosen_configuration_trains_and_goes_on(bare, tmp_path, monkeypatch):
    from training.defaults import schedule

    monkeypatch.setattr(schedule, "FEWEST", 4)
    monkeypatch.setattr(schedule, "MOST", 4)
    bare |= {"sampling": {"size": 4, "batch": 1}, "network": {"widths": [8, 8]}, "precision": "float32"}
    config = parse_config({**bare, "layout": "contiguous", "ensemble": None})
    package = train(config, tmp_path, quiet=True)
    kept = package.card.raw["training"]["configuration"]
    assert (
        kept["steps"] == 4 and kept["split"]["kind"] == "temporal" and kept["target"]["transform"] != "auto"
    )
    assert not leaves_open(parse_config(kept))
    again = train(config, tmp_path, resume=True, quiet=True)
    assert again.sha256 == package.sha256
    found = cross_validate(config, tmp_path / "folds", quiet=True)
    assert len(found["folds"]) == 3 and {len(fold["held_out"]) for fold in found["folds"]} == {2, 3}


def test_an_ablation_is_made_of_what_was_chosen(bare, tmp_path, capsys):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump({**bare, "ablation": {"steps": 5, "seeds": [0]}}))
    arguments = [str(path), "--list", "--records", str(tmp_path / "none.jsonl"), "--output", str(tmp_path)]
    assert ablate.run(arguments) == 0
    first = capsys.readouterr().out
    assert "tiny-ablation-none-s0-" in first and first.startswith("open")
    assert ablate.run(arguments) == 0 and capsys.readouterr().out == first


@pytest.mark.parametrize("gaps", [0.0, 0.5])
def test_cells_of_truth_are_counted(bare, archive, gaps):
    config = parse_config({**bare, "split": SPLIT, "validation": {"where": "training"}})
    fine = archive.fine.copy()
    fine[:, : int(gaps * fine.shape[1])] = np.nan
    held = replace(archive, fine=fine)
    assert known_truth(config, held).cells == pytest.approx(8 * 24 * 40 * (1 - gaps))


def test_hashes_tell_what_is_left_open_from_what_is_named(bare, settings):
    hashes = {config_hash(parse_config(bare))}
    for change in (
        {"split": SPLIT},
        {"validation": {"where": "training"}},
        {"target": {"transform": "identity"}},
        {"steps": 4},
    ):
        hashes.add(config_hash(parse_config({**bare, **change})))
    assert len(hashes) == 5
    plain = {
        **settings,
        "target": {"transform": "identity", "bounds": [None, None], "conservation": "additive"},
    }
    plain["validation"] = {"where": "training"}
    assert config_hash(parse_config(plain)) == BEFORE


# Of the same configuration before its target and validation could be left to the data.
BEFORE = "fd6e203ceef03812821fddab4369dc806eb7a8ed68912c6e86ef7d3d45b187e4"


def test_an_older_card_means_what_it_meant(settings, archive):
    older = parse_config({**settings, "validation": {"where": "training"}}).model_dump(mode="json")
    del older["validation"]["where"], older["base"]
    assert parse_config(with_older_meaning(older)).validation.where == "training"
    older["validation"]["held_out"] = [5]
    assert parse_config(with_older_meaning(older)).validation.names_something


def test_convolutions_that_are_to_travel_see_ground_mirrored_and_other_levels(bare, archive):
    """Where test and training share their places, or each cell is seen by itself, nothing is turned."""
    rule = {"kind": "spatial", "train_longitudes": [-180, 60], "test_longitudes": [60, 180]}
    months = {"train_months": [1, 2, 3, 4, 5, 6, 7, 8], "test_months": [9, 10, 11, 12]}

    def sampled(**more):
        chosen = complete(parse_config({**bare, **more}), archive)
        sampling = chosen.config.sampling
        return (sampling.flip_horizontal, sampling.flip_vertical, sampling.jitter), " ".join(chosen.told)

    apart = {"split": {**rule, **months}, "network": {"kind": "inception"}}
    turned, told = sampled(**apart)
    assert turned == (True, True, 0.4) and "mirrored and at other levels" in told
    additive = sampled(**apart, target={"conservation": "additive", "bounds": [None, None]})
    assert additive[0] == (True, True, 0.0)
    assert sampled(split=apart["split"])[0] == (False, False, 0.0)
    assert sampled(split=SPLIT, network=apart["network"])[0] == (False, False, 0.0)


def test_the_kind_of_network_follows_from_the_truth(bare, archive, monkeypatch):
    """Few cells, or scattered ones, are for the perceptron; texture and ensembles never are."""

    def chosen(data=archive, **more):
        return complete(parse_config({**bare, "split": SPLIT, **more}), data)

    few = chosen()
    assert few.config.network["kind"] == "perceptron" and few.config.network["season"]
    assert any("perceptron" in sentence and "season" in sentence for sentence in few.told)
    assert few.config.sampling.size == 8 and few.config.sampling.batch == 48
    assert "season" not in chosen(split={"kind": "temporal", "train": [1, 2], "test": [5]}).config.network
    assert chosen(network={"kind": "inception"}).config.network["widths"]
    for more in (
        {"network": {"widths": [8, 8]}},
        {"network": {"noise": 2}},
        {"losses": {"adversarial": {}}},
    ):
        assert chosen(**more).config.network.get("kind", "inception") == "inception"
    assert chosen(network={"kind": "unet"}).config.network == {"kind": "unet"}
    monkeypatch.setattr("training.defaults.network.FEW", 0)
    assert "kind" not in chosen().config.network
    fine = archive.fine.copy()
    fine[:, ::2] = np.nan
    fine[:, :, ::2] = np.nan
    scattered = chosen(replace(archive, fine=fine))
    assert scattered.config.network["kind"] == "perceptron"
    assert any("25% of the cells" in sentence for sentence in scattered.told)
