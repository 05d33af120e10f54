"""A key that is wrong is named with what is wrong with it and what it may be, in words of our own."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import InputError
from tests.engine.commands.sentence_wall import check
from training.data.readers import READERS, load_archive
from training.schema.config import parse_config
from training.schema.dataset import Dataset, load_dataset
from training.simulation.parameters import load_parameters


def changed(data: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    *parents, last = place.split(".")
    inside: Any = data
    for key in parents:
        inside = inside[int(key) if isinstance(inside, list) else key]
    inside[last] = value
    return data


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("steps", "many", ["steps", "whole number", "'many'"]),
        ("steps", 2.5, ["steps", "whole number", "2.5"]),
        ("steps", 0, ["steps", "1 or more", "0"]),
        ("steps", None, ["steps", "whole number"]),
        ("steps", 10**300, ["steps", "digits"]),
        ("factor", 101, ["factor", "100 or less"]),
        ("optimiser.rate", float("nan"), ["optimiser.rate"]),
        ("optimiser.rate", float("inf"), ["optimiser.rate"]),
        ("optimiser.rate", "fast", ["optimiser.rate", "number", "'fast'"]),
        ("target.bounds", [0], ["target.bounds", "too few"]),
        ("target.bounds", [0, 1, 2], ["target.bounds", "2 entries or fewer"]),
        ("target.bounds", "none", ["target.bounds", "list"]),
        ("target.conservation", "ratio", ["target.conservation", "multiplicative", "'ratio'"]),
        ("sources", {"a": 1}, ["sources", "list"]),
        ("sources", ["elevation"], ["sources.0", "keys with values"]),
        ("model", "rain", ["model", "keys with values"]),
        ("model.id", 7, ["model.id", "text"]),
        ("model.id", "9lives", ["model.id", "a letter first"]),
        ("model.name", "", ["model.name", "empty"]),
        ("model.version", "1", ["model.version", "1.0.0"]),
        ("split", {"kind": "odd"}, ["split", "temporal", "odd"]),
        ("split", {"train": [1]}, ["split", "lacks the key kind"]),
        ("split.train", [], ["split.train", "1 entries or more"]),
        ("validation.cases", ["some"], ["validation.cases.0", "without_sources"]),
        ("losses.adversarial.spectral", "perhaps", ["losses.adversarial.spectral", "true or false"]),
        ("sampling.bacth", 3, ["there is no key sampling.bacth", "batch"]),
        ("network", [1], ["network", "keys with values"]),
    ],
)
def test_a_wrong_value(settings: dict[str, Any], place: str, value: Any, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        parse_config(changed(settings, place, value), "rain.yaml")
    check(str(caught.value), "rain.yaml: ", *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"regoin": [0, 0, 1, 1]}, ["no option regoin", "region"]),
        ({"region": "Europe"}, ["data.options.region", "list"]),
        ({"region": ["a", 0, 1, 1]}, ["data.options.region", "number"]),
        ({"factor": 3}, ["no option factor"]),
    ],
)
def test_options_of_a_data_set(settings: dict[str, Any], options: dict[str, Any], words: list[str]) -> None:
    settings["data"]["options"] = options
    with pytest.raises(InputError) as caught:
        load_archive(parse_config(settings))
    check(str(caught.value), "data.options", *words)


def test_a_store_needs_a_path(settings: dict[str, Any]) -> None:
    settings["data"] = {"name": "store", "options": {}}
    with pytest.raises(InputError) as caught:
        load_archive(parse_config(settings))
    check(str(caught.value), "data.options", "path is missing")
    settings["data"] = {"name": "stoer"}
    with pytest.raises(InputError) as caught:
        load_archive(parse_config(settings))
    check(str(caught.value), "data.name", "stoer", *READERS)


def test_the_other_files_of_keys(tmp_path) -> None:
    assert Dataset.model_fields
    path = tmp_path / "d.yaml"
    path.write_text("name: d\ntitle: t\ncitation: c\nlicence: l\nfactor: 4\ntarget: {name: a, fine: 7}\n")
    with pytest.raises(InputError) as caught:
        load_dataset(path)
    check(str(caught.value), "d.yaml: target.fine: must be keys with values")
    path.write_text("regions: [{name: a, base: 1, steepness: -1}]\n")
    with pytest.raises(InputError) as caught:
        load_parameters(path)
    check(str(caught.value), "regions.0.steepness: must be more than 0")
