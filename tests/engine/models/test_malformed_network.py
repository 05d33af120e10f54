"""A card whose network lacks a key is refused by the key's name, in words of our own."""

from __future__ import annotations

import dataclasses

import pytest

from engine.errors import InputError
from engine.files.root import ROOT
from engine.models.model import build
from engine.package.folder import load_package


@pytest.mark.parametrize("key", ["factor", "coarse", "fine"])
def test_a_key_that_is_lacking_is_named(key: str) -> None:
    card = load_package(ROOT / "resources" / "models" / "rainitur8").card
    network = {name: value for name, value in card.network.items() if name != key}
    with pytest.raises(InputError, match=rf"^The network in the card of rainitur8 lacks {key}\.$"):
        build(dataclasses.replace(card, network=network))
