"""Packages of unknown hands in the plugin: taken, or refused in one sentence, and nothing left behind."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import struct
import zipfile
from pathlib import Path

import pytest

from msr_plugin.packages.cards import CardError, parse_card, read_card
from msr_plugin.packages.model_install import InstallError, install

ODD = (
    *(None, True, 0, -1, 1, 2**70, 10**399, 1e308, "", "x" * 100_000, "\ud800", "\u202e", "\0", "a\x1b[2J"),
    *("../a.tif", "/etc/passwd", "nul.tif", "C:x", "<b>x</b>", [], {}, [[]], [None], [None, 10**390]),
    *([1, 0], {"a": {}}, [{}], "nan", ["a", 2], {"\ud800": 1}, 3.5, [0, 1e308]),
)
TEXTS = {
    "no UTF-8": b'{"a": "\xff"}',
    "deep": b"[" * 20_000 + b"]" * 20_000,
    "digits": b'{"msr_card": ' + b"9" * 5_000 + b"}",
    "infinite": b'{"msr_card": 1, "factor": 1e999}',
    "nan": b'{"msr_card": NaN}',
    "twice": b'{"msr_card": 1, "msr_card": 2}',
    "surrogate": b'{"msr_card": 1, "id": "\\ud800"}',
    "turned": b'{"msr_card": 1, "id": "\\u202e"}',
    "empty": b"",
    "number": b"1",
}


@pytest.fixture(scope="module")
def shipped(root):
    return json.loads((root / "resources/models/rainitur8/card.json").read_text(encoding="utf-8"))


def places(value, path=()):
    inside = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [path, *(place for key in inside for place in places(value[key], (*path, key)))]


def mutated(chance, card):
    card = copy.deepcopy(card)
    for _ in range(chance.randint(1, 3)):
        path = chance.choice([place for place in places(card) if place])
        owner = card
        for key in path[:-1]:
            owner = owner[key]
        if chance.randrange(4) == 0:
            del owner[path[-1]]
        else:
            owner[path[-1]] = copy.deepcopy(chance.choice(ODD))
    return card


def one_sentence(error):
    text = str(error)
    assert text.endswith(".")
    assert "\n" not in text
    assert len(text) < 600
    text.encode("utf-8")
    assert not any(
        word in text
        for word in ("Traceback", "Error", "object has", "object is", "codec", "NoneType", "convert")
    )


@pytest.mark.parametrize("seed", range(300))
def test_a_mutated_card_is_taken_or_refused_in_one_sentence(shipped, seed):
    data = json.dumps(mutated(random.Random(seed), shipped)).encode()
    try:
        parse_card(data, Path("model"))
    except CardError as error:
        one_sentence(error)


@pytest.mark.parametrize("data", TEXTS.values(), ids=TEXTS)
def test_text_that_is_no_card_is_refused_in_one_sentence(data):
    with pytest.raises(CardError) as refusal:
        parse_card(data, Path("model"))
    one_sentence(refusal.value)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("id",), ..., "is damaged: the field id is missing."),
        (("weights", "sha256"), ..., "is damaged: the field sha256 is missing."),
        (("target",), [], "is damaged: the field target is of the wrong kind."),
        (("sources", 0), 1, "is damaged: a source is no JSON object."),
        (("network", "noise"), "1", "is damaged: network.noise is no whole number."),
    ],
)
def test_a_damaged_card_is_told_by_its_field(shipped, place, value, words):
    card = copy.deepcopy(shipped)
    owner = card
    for key in place[:-1]:
        owner = owner[key]
    if value is ...:
        del owner[place[-1]]
    else:
        owner[place[-1]] = value
    with pytest.raises(CardError) as refusal:
        parse_card(json.dumps(card).encode(), Path("model"))
    assert str(refusal.value).endswith(words)


def test_what_the_system_refuses_is_told_in_own_words(tmp_path, package):
    (tmp_path / "card.json").mkdir()
    with pytest.raises(CardError, match=r"cannot be read: it is a folder, and a file is wanted: check"):
        read_card(tmp_path)
    (tmp_path / "models").write_text("no folder", encoding="utf-8")
    with pytest.raises(InstallError, match=r"cannot be written: a part of its path is a file, no folder"):
        install(package(), tmp_path / "models" / "deep")


@pytest.fixture
def package(tmp_path, shipped):
    """Return a function that packs a sound package, with a hand in its zip."""
    weights = bytes(5_000)
    card = copy.deepcopy(shipped)
    card["weights"] = {"file": "w.safetensors", "sha256": hashlib.sha256(weights).hexdigest(), "bytes": 5_000}
    for source in card["sources"]:
        source.pop("default", None)

    def pack(more=(), compression=zipfile.ZIP_DEFLATED):
        path = tmp_path / "package.zip"
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("card.json", json.dumps(card))
            archive.writestr("w.safetensors", weights)
            for name, data in more:
                archive.writestr(name, data)
        return path

    return pack


def refused(path, models):
    with pytest.raises(InstallError) as refusal:
        install(path, models)
    one_sentence(refusal.value)
    assert not models.exists() or list(models.iterdir()) == []


def test_a_sound_package_is_installed(tmp_path, package):
    assert install(package(), tmp_path / "models").card.id == "rainitur8"


def test_the_regression_of_a_base_is_installed_and_its_hash_checked(tmp_path, shipped):
    files = {"w.safetensors": bytes(500), "regression.safetensors": bytes(700)}
    entries = [
        {"file": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in files.items()
    ]
    base = {"weights": {"neighbourhood": 1.0}, "regression": entries[1]}
    card = {**shipped, "weights": entries[0], "base": base, "sources": []}
    for data, taken in ((files["regression.safetensors"], True), (bytes(699) + b"x", False)):
        path = tmp_path / f"{taken}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("card.json", json.dumps(card))
            archive.writestr("w.safetensors", files["w.safetensors"])
            archive.writestr("regression.safetensors", data)
        models = tmp_path / f"models-{taken}"
        if taken:
            assert (install(path, models).card.folder / "regression.safetensors").read_bytes() == data
        else:
            refused(path, models)


@pytest.mark.parametrize("method", [1, 6, 12, 14, 93, 95, 99, 65535])
def test_an_unknown_or_false_way_of_packing_is_refused(tmp_path, package, method):
    path = package()
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        start = data.find(mark)
        while start >= 0:
            struct.pack_into("<H", data, start + at, method)
            start = data.find(mark, start + 4)
    path.write_bytes(data)
    refused(path, tmp_path / "models")


NAMES = ["../a.txt", "/a.txt", "a/../../b.txt", "a\\b.txt", "C:a.txt", "W.SAFETENSORS", "a/card.json", "a\nb"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_elsewhere_or_stands_twice_is_refused(tmp_path, package, name):
    refused(package([(name, b"x")]), tmp_path / "models")


def test_links_devices_and_encrypted_files_are_refused(tmp_path, package):
    for mode in (0o120777, 0o020666, 0o010666):
        info = zipfile.ZipInfo("a.txt")
        info.external_attr = mode << 16
        refused(package([(info, b"/etc/passwd")]), tmp_path / "models")
    path = package()
    data = bytearray(path.read_bytes())
    data[data.find(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    refused(path, tmp_path / "models")


@pytest.mark.parametrize("seed", range(150))
def test_a_damaged_zip_is_installed_whole_or_refused(tmp_path, package, seed):
    chance = random.Random(seed)
    path = package()
    data = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    if chance.random() < 0.3:
        del data[chance.randrange(len(data)) :]
    path.write_bytes(data)
    models = tmp_path / "models"
    try:
        installed = install(path, models)
    except InstallError as error:
        one_sentence(error)
        assert not models.exists() or list(models.iterdir()) == []
    else:
        assert (models / installed.card.id / "w.safetensors").read_bytes() == bytes(5_000)


def test_no_markup_of_a_card_reaches_a_label(shipped):
    card = copy.deepcopy(shipped)
    markup = "<img src='file:///etc/passwd'>\nrain"
    card["name"] = card["target"]["title"] = card["sources"][0]["title"] = markup
    card["units"] = card["target"]["units"] = "<b>mm</b>"
    read = parse_card(json.dumps(card).encode(), Path("model"))
    for text in (read.name, read.target_title, read.units, read.sources[0].title):
        assert "<" not in text and "\n" not in text
    assert read.name == "‹img src='file:///etc/passwd'› rain"


def test_no_markup_of_a_card_reaches_the_help(shipped, qgis_app):
    from msr_plugin.algorithms.installed_model import ModelAlgorithm

    card = copy.deepcopy(shipped)
    card["description"] = "<a href='http://example.org'>here</a>"
    card["sources"][0]["title"] = "<i>warm</i>"
    algorithm = ModelAlgorithm(parse_card(json.dumps(card).encode(), Path("model")))
    algorithm.initAlgorithm()
    shown = [algorithm.shortHelpString(), algorithm.displayName()]
    shown += [f"{each.help()}{each.description()}" for each in algorithm.parameterDefinitions()]
    assert not any("<a " in text or "<i>" in text for text in shown)
    assert "&lt;a href=" in shown[0]
