"""What a cascade's configuration need not say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import InputError
from training.data.split import split_archive
from training.data.store import one_level_up
from training.defaults.cascade import choose_cascade
from training.defaults.complete import complete
from training.defaults.schedule import LOSSES
from training.schema.config import parse_config

BARE = {
    "model": {"id": "small", "name": "S", "version": "1.0.0", "licence": "none", "citation": "none"},
    "data": {"name": "store", "options": {"path": "none"}},
    "factor": 2,
    "cascade": {"steps": [2]},
    "sources": [{"name": "elevation"}, {"name": "temperature"}, {"name": "aspect"}],
}


def of_dates(archive, count):
    """Return the archive's first dates alone."""
    dynamic = {n: replace(s, values=s.values[:count]) for n, s in archive.sources.items() if s.dynamic}
    return replace(
        archive,
        months=archive.months[:count],
        days=archive.days[:count],
        dates=archive.dates[:count],
        coarse=archive.coarse[:count],
        fine=archive.fine[:count],
        sources={**archive.sources, **dynamic},
    )


def test_network_sources_and_losses_are_those_that_mean_the_same_at_every_scale(archive):
    chosen = complete(parse_config(BARE), archive)
    config = chosen.config
    assert config.network == {"kind": "pointwise", "widths": [8, 4], "season": True}
    elevation, temperature, aspect = config.sources
    assert (elevation.value, elevation.derived) == (False, ("anomaly",))
    assert temperature.value and not temperature.derived, "on the coarse grid"
    assert aspect.value and not aspect.derived, "a direction"
    assert config.losses == LOSSES and config.steps > 0
    assert any("elevation" in line and "stands out" in line for line in chosen.told)
    assert complete(config, archive).config == config


@pytest.mark.parametrize("sources", [[], [{"name": "temperature"}]], ids=["none", "on the coarse grid"])
def test_without_a_fine_source_there_is_nothing_to_learn(archive, sources):
    with pytest.raises(
        InputError, match=r"sources on the fine grid, and none is named: add one .* bicubicsmooth"
    ):
        complete(parse_config({**BARE, "sources": sources}), archive)


def test_what_a_configuration_says_stays(archive):
    sources = [{"name": "elevation", "derived": ["slope"]}]
    network = {"kind": "unet", "widths": [8, 4]}
    config = parse_config({**BARE, "sources": sources, "network": network, "losses": {"adversarial": None}})
    chosen = choose_cascade(config, archive).config
    assert chosen.sources == config.sources and chosen.network == network
    assert chosen.losses == config.losses != LOSSES


def test_steps_alone_leave_no_adversary(archive):
    config = complete(parse_config({**BARE, "steps": 10}), archive).config
    assert config.losses.adversarial is None and config.steps == 10


def test_other_configurations_are_not_touched(archive):
    config = parse_config({key: value for key, value in BARE.items() if key != "cascade"})
    assert choose_cascade(config, archive).config is config


@pytest.mark.parametrize("count", [1, 4])
def test_few_dates_hold_nothing_out_and_it_is_said(archive, count):
    few = of_dates(archive, count)
    chosen = complete(parse_config(BARE), few)
    assert chosen.config.split.kind == "whole"
    split = split_archive(chosen.config, few)
    assert split.train.times == split.test.times == tuple(range(count))
    words = "1 month is too few" if count == 1 else "4 months are too few"
    assert any("Nothing is held out" in doubt and words in doubt for doubt in chosen.doubts)
    assert not any("measured" in doubt for doubt in chosen.doubts), "it may be that it is not"
    assert "season" not in chosen.config.network or count >= 3


def test_only_a_cascade_can_hold_nothing_out():
    plain = {key: value for key, value in BARE.items() if key != "cascade"}
    with pytest.raises(InputError, match="split: whole holds nothing out"):
        parse_config({**plain, "split": {"kind": "whole"}})


def test_without_a_cascade_a_field_without_finer_truth_is_told_to_be_learned_one_level_up(archive):
    settings = {key: value for key, value in BARE.items() if key != "cascade"}
    assert not any("No finer truth" in line for line in complete(parse_config(settings), archive).doubts)
    held = {name: source for name, source in archive.sources.items() if source.values is not None}
    lifted = one_level_up(replace(archive, sources=held), 2, area=False)
    chosen = complete(parse_config(settings), lifted)
    (doubt,) = (line for line in chosen.doubts if "No finer truth" in line)
    assert "means over 2 × 2 of them" in doubt and "cascade" in doubt
    assert doubt in chosen.config.model.description
    assert doubt not in complete(chosen.config, lifted).doubts, "it is said once"
    assert not any("No finer truth" in line for line in complete(parse_config(BARE), lifted).doubts)
