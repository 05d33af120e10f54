"""The key `base`: chosen where it does not stand, and what was kept before it was there means what it did."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import InputError
from training.records.record import config_hash
from training.schema.config import parse_config
from training.schema.older import with_older_meaning
from training.schema.yaml_file import read_yaml

CONFIGS = Path(__file__).resolve().parents[3] / "training" / "configs"
SETTINGS = {
    "model": {"id": "m", "name": "M", "version": "0.1.0", "licence": "x", "citation": "x"},
    "data": {"name": "itur"},
    "factor": 2,
    "target": {"transform": "identity"},
    "split": {"kind": "temporal", "train": [1, 2, 3], "test": [10]},
    "validation": {"where": "training"},
    "network": {"widths": [8, 8]},
    "steps": 1,
}


def test_a_new_configuration_leaves_it_to_the_data():
    assert parse_config(SETTINGS).base == "auto"


def test_a_card_or_a_checkpoint_without_it_has_the_base_of_its_time():
    assert parse_config(with_older_meaning(SETTINGS)).base == "default"


def test_records_of_runs_without_it_are_those_of_the_default_base():
    older, auto, named = (
        config_hash(parse_config({**SETTINGS, "base": base})) for base in ("default", "auto", "bilinear")
    )
    assert len({older, auto, named}) == 3
    # The hash that such a configuration had before there was a key `base`.
    assert older[:12] == "7595a5f5062a"


WRITTEN_OUT = [path for path in sorted(CONFIGS.rglob("*.yaml")) if path.parent.name != "defaults"]


@pytest.mark.parametrize("path", WRITTEN_OUT, ids=lambda path: path.stem)
def test_shipped_configurations_say_their_base(path):
    assert "base" in read_yaml(path)  # so that another default changes none of them


def test_a_cascade_has_the_default_base():
    cascade = {"cascade": {"steps": [2, 3]}, "factor": 12, "losses": {"adversarial": None}}
    assert parse_config({**SETTINGS, **cascade}).base == "auto"
    with pytest.raises(InputError, match="a cascade has the default base"):
        parse_config({**SETTINGS, **cascade, "base": "bilinear"})
