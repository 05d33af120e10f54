"""Cards and weights of unknown hands: taken, or refused in one sentence."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import PackageError
from engine.files.root import ROOT
from engine.package.card_check import parse_card
from engine.package.folder import load_package, search_folders

SHIPPED = json.loads((ROOT / "resources/models/rainitur8/card.json").read_text(encoding="utf-8"))
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2**70, 10**399, 1e308, "", "x" * 100_000, "\ud800", "\u202e", "\0", "a\x1b[2J"),
    *("../a.tif", "/etc/passwd", "nul.tif", "C:x", "<b>x</b>", [], {}, [[]], [None], [None, 10**390]),
    *([1, 0], {"a": {}}, [{}], "nan", ["a", 2], {"\ud800": 1}, 3.5, [0, 1e308]),
)
TEXTS = {
    "no UTF-8": b'{"a": "\xff"}',
    "deep": b"[" * 20_000 + b"]" * 20_000,
    "less deep": b'{"msr_card": 1, "id": ' + b"[" * 300 + b"]" * 300 + b"}",
    "digits": b'{"msr_card": ' + b"9" * 5_000 + b"}",
    "large": b'{"msr_card": 1, "factor": 1' + b"0" * 390 + b"}",
    "infinite": b'{"msr_card": 1, "factor": 1e999}',
    "nan": b'{"msr_card": NaN}',
    "twice": b'{"msr_card": 1, "msr_card": 2}',
    "surrogate": b'{"msr_card": 1, "id": "\\ud800"}',
    "control": b'{"msr_card": 1, "id": "\\u0000"}',
    "turned": b'{"msr_card": 1, "id": "\\u202e"}',
    "empty": b"",
    "number": b"1",
    "cut": b'{"msr_card": 1, "id": "a',
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside: list[Any] = list(value) if isinstance(value, dict) else []
    inside = list(range(len(value))) if isinstance(value, list) else inside
    return [path, *(place for key in inside for place in places(value[key], (*path, key)))]


def mutated(chance: random.Random) -> dict[str, Any]:
    """Return the shipped card with one to three of its fields gone, odd, doubled or unknown."""
    card: Any = copy.deepcopy(SHIPPED)
    for _ in range(chance.randint(1, 3)):
        path = chance.choice([place for place in places(card) if place])
        owner = card
        for key in path[:-1]:
            owner = owner[key]
        how = chance.randrange(4)
        if how == 0:
            del owner[path[-1]]
        elif how == 1 and isinstance(owner, dict):
            owner[chance.choice(("surprise", "\u202e", "id ", "x" * 5_000))] = chance.choice(ODD)
        else:
            owner[path[-1]] = copy.deepcopy(chance.choice(ODD))
    return card


def one_sentence(error: BaseException) -> None:
    text = str(error)
    assert text.endswith(".")
    assert "\n" not in text
    assert len(text) < 600
    text.encode("utf-8")
    assert not any(word in text for word in ("Traceback", "Error", "object at", "codec", "NoneType"))


@pytest.mark.parametrize("seed", range(300))
def test_a_mutated_card_is_taken_or_refused_in_one_sentence(seed: int) -> None:
    try:
        data = json.dumps(mutated(random.Random(seed))).encode()
        parse_card(data, "card.json")
    except PackageError as error:
        one_sentence(error)


@pytest.mark.parametrize("data", TEXTS.values(), ids=TEXTS)
def test_text_that_is_no_card_is_refused_in_one_sentence(data: bytes) -> None:
    with pytest.raises(PackageError, match=r"card\.json") as refusal:
        parse_card(data, "card.json")
    one_sentence(refusal.value)


@pytest.mark.parametrize("bounds", [[-(10**398), 5], [0, 10**398], [0, 10**39]])
def test_bounds_beyond_every_number_are_refused(bounds: list[int]) -> None:
    card = copy.deepcopy(SHIPPED)
    card["target"]["bounds"] = bounds
    with pytest.raises(PackageError, match="a number is out of range"):
        parse_card(json.dumps(card).encode(), "card.json")


def test_names_that_windows_keeps_are_refused() -> None:
    card = copy.deepcopy(SHIPPED)
    card["weights"]["file"] = "nul.safetensors"
    with pytest.raises(PackageError, match="Windows keeps"):
        parse_card(json.dumps(card).encode(), "card.json")


def tensors(header: dict[str, Any] | bytes, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(start: int, stop: int, dtype: str = "F32", shape: tuple[int, ...] = (1,)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


NAN = struct.pack("<f", float("nan"))
WEIGHTS: dict[str, bytes] = {
    "empty": b"",
    "short": b"\1\0",
    "header longer than the file": tensors({}, length=10**6),
    "header beyond all memory": tensors({}, length=2**63),
    "no JSON": tensors(b"{" * 50),
    "deep": tensors(b'{"a":' * 9_000),
    "overlap": tensors({"a": entry(0, 4), "b": entry(2, 6)}, bytes(6)),
    "hole": tensors({"a": entry(0, 4), "b": entry(8, 12)}, bytes(12)),
    "backwards": tensors({"a": entry(4, 0)}, bytes(4)),
    "beyond": tensors({"a": entry(0, 400)}, bytes(4)),
    "unknown type": tensors({"a": entry(0, 4, "F33")}, bytes(4)),
    "shape too large": tensors({"a": entry(0, 4, shape=(2**40, 2**40))}, bytes(4)),
    "negative shape": tensors({"a": entry(0, 4, shape=(-1,))}, bytes(4)),
    "too many bytes": tensors({"a": entry(0, 4)}, bytes(400)),
    "nan": tensors({"a": entry(0, 4)}, NAN),
    "infinite": tensors({"a": entry(0, 4)}, struct.pack("<f", float("inf"))),
    "half infinite": tensors({"a": entry(0, 2, "F16")}, b"\x00\x7c"),
    "bfloat16 nan": tensors({"a": entry(0, 2, "BF16")}, b"\xc0\x7f"),
    "eighth nan": tensors({"a": entry(0, 1, "F8_E5M2")}, b"\x7f"),
    "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
}


@pytest.fixture
def packaged(tmp_path: Path) -> Callable[[bytes], Path]:
    def package(data: bytes) -> Path:
        card = copy.deepcopy(SHIPPED)
        digest = hashlib.sha256(data).hexdigest()
        card["weights"] = {"file": "weights.safetensors", "sha256": digest, "bytes": len(data)}
        for source in card["sources"]:
            source.pop("default", None)
        (tmp_path / "card.json").write_text(json.dumps(card), encoding="utf-8")
        (tmp_path / "weights.safetensors").write_bytes(data)
        return tmp_path

    return package


@pytest.mark.parametrize("data", WEIGHTS.values(), ids=WEIGHTS)
def test_weights_that_are_none_are_refused_in_one_sentence(
    packaged: Callable[[bytes], Path], data: bytes
) -> None:
    with pytest.raises(PackageError, match=r"weights\.(safetensors|bytes)") as refusal:
        load_package(packaged(data)).weights()
    one_sentence(refusal.value)


def test_the_shipped_cards_are_taken() -> None:
    folders = [card.parent for card in search_folders()[-1].glob("*/card.json")]
    assert len([load_package(folder) for folder in folders]) == 3
