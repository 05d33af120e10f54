"""The contract between engine and plugin: one file, with which the card's schema agrees."""

from __future__ import annotations

import json

import pytest

from engine import contract
from engine.errors import PackageError
from engine.files.root import ROOT
from engine.package.card_check import SCHEMA_FILE, check_card


def test_the_cards_schema_agrees() -> None:
    fields = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["properties"]
    assert fields["msr_card"]["const"] == contract.CARD_VERSION


@pytest.mark.parametrize("id", sorted(contract.RESERVED_IDS))
def test_no_model_has_the_id_of_an_algorithm(id: str) -> None:
    card = json.loads((ROOT / "resources/models/rainitur8/card.json").read_text(encoding="utf-8"))
    check_card(card, "card.json")
    with pytest.raises(PackageError, match=id):
        check_card({**card, "id": id}, "card.json")


def test_every_entry_has_a_name_in_the_engine() -> None:
    entries = json.loads(contract.CONTRACT_FILE.read_text(encoding="utf-8"))
    for name, value in entries.items():
        held = getattr(contract, name.upper())
        assert held == (frozenset(value) if isinstance(value, list) else value)


def test_the_limits() -> None:
    assert contract.PROTOCOL == contract.CARD_VERSION == 1
    assert contract.MAX_CELLS == 2**36
    assert (contract.MOST_MEMBERS, contract.MOST_LEVELS) == (200, 99)
    assert contract.MAX_CARD_BYTES == 1_000_000
