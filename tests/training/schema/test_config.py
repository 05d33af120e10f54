"""A wrong configuration is refused in one sentence that names the key."""

from __future__ import annotations

import copy

import pytest
import yaml

from engine.errors import InputError
from training.schema.config import load_config, parse_config


def changed(settings, path, value):
    data = copy.deepcopy(settings)
    place = data
    *parents, last = path
    for key in parents:
        place = place[key]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return data


def test_a_right_one_is_read(settings):
    config = parse_config(settings)
    assert config.split.train_months == tuple(range(1, 10))
    assert config.losses.adversarial.kind == "hinge"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("sampling", "sise"), 3, ["sampling.sise", "no key"]),
        (("stepps",), 3, ["stepps", "no key"]),
        (("split", "middle"), 3, ["split.middle", "no key"]),
        (("steps",), -1, ["steps", "-1"]),
        (("model",), KeyError, ["model", "missing"]),
        (("split", "train"), KeyError, ["split.train", "missing"]),
        (("model", "id"), "Rain-8", ["model.id"]),
        (("model", "id"), "baseline", ["model.id", "generic"]),
        (("losses", "adversarial", "weight"), -1, ["losses.adversarial.weight", "-1"]),
        (("split", "test"), [9, 10], ["split", "month 9"]),
        (("split", "test"), [13], ["split.test.0", "13"]),
        (("split", "kind"), "random", ["split", "random"]),
        (("split", "gap"), 5, ["split", "gap"]),
        (("validation", "held_out"), [11], ["validation.held_out", "11"]),
        (("target", "transform"), "log", ["target.transform", "log"]),
        (("sources",), [{"name": "a"}, {"name": "a"}], ["source a", "twice"]),
        (("factor",), "eight", ["factor", "eight"]),
    ],
)
def test_errors_name_the_key(settings, path, value, words):
    settings["split"]["gap"] = 0
    if path == ("split", "gap"):
        settings["split"].update(train=[8, 9], test=[11])
    with pytest.raises(InputError) as caught:
        parse_config(changed(settings, path, value), "rain.yaml")
    sentence = str(caught.value)
    assert sentence.startswith("rain.yaml: ") and "\n" not in sentence
    for word in words:
        assert word in sentence
    assert caught.value.exit_status == 2


def test_a_gap_leaves_out_near_months_round_the_year(settings):
    settings["split"].update(gap=1)
    assert parse_config(settings).split.train_months == (2, 3, 4, 5, 6, 7, 8)


def test_spatial_splits_must_not_overlap(settings):
    settings["split"] = {
        "kind": "spatial",
        "train_longitudes": [-180, 100],
        "test_longitudes": [90, 180],
        "train_months": [1],
        "test_months": [10],
    }
    settings["validation"] = {}
    with pytest.raises(InputError, match="overlap"):
        parse_config(settings)
    settings["split"]["train_longitudes"] = [-180, 90]
    assert parse_config(settings).split.test_months == (10,)


def test_files(tmp_path, settings):
    path = tmp_path / "c.yaml"
    with pytest.raises(InputError, match=r"c\.yaml cannot be read"):
        load_config(path)
    path.write_text(yaml.safe_dump(settings))
    assert load_config(path).factor == 2
    path.write_text("factor: 2\nfactor: 3\n")
    with pytest.raises(InputError, match=r"line 2.*factor stands twice"):
        load_config(path)
    path.write_text("factor: [2\nsteps: 3")
    with pytest.raises(InputError, match="wrong in line"):
        load_config(path)
    path.write_text("just words")
    with pytest.raises(InputError, match="holds no keys"):
        load_config(path)


def test_what_opens_an_address_is_not_kept_with_a_configuration(settings):
    for address in ("https://anna:pa55w0rd@host/mask.tif", "/vsicurl/https://host/a?token=pa55w0rd.tif"):
        with pytest.raises(InputError) as caught:
            parse_config({**settings, "domain": address}, "rain.yaml")
        assert str(caught.value) == (
            "rain.yaml: domain: an address with a user, password or query is not kept: download it."
        )
    assert parse_config({**settings, "domain": "https://host/mask.tif"}).domain == "https://host/mask.tif"
