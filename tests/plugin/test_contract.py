"""What plugin and engine agree on stands in the engine's contract alone."""

from __future__ import annotations

import json

import pytest

from msr_plugin import contract
from msr_plugin.provider import GENERIC


def test_the_plugin_reads_the_engines_contract(root):
    entries = json.loads((root / "engine" / "contract.json").read_text(encoding="utf-8"))
    read = {name: getattr(contract, name.upper()) for name in entries if name != "partial_ending"}
    assert read == {name: value for name, value in entries.items() if name != "partial_ending"} | {
        "reserved_ids": frozenset(entries["reserved_ids"])
    }


def test_the_reserved_ids_are_the_generic_algorithms(provider):
    assert {algorithm.ID for algorithm in GENERIC} == contract.RESERVED_IDS


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("fine.tif.0123abcd-77-0.part.tif", True),
        (".fine.tif.0123abcd-77-12.part.tif", True),
        ("fine.tif.0123abcd-78-0.part.tif", False),
        ("fine.tif.0123abcd-177-0.part.tif", False),
        ("fine.tif.0123abc-77-0.part.tif", False),
        ("fine.tif.0123abcd-77-0xpart.tif", False),
        ("fine.tif", False),
    ],
)
def test_what_a_worker_left_is_known_by_its_name(name, left):
    assert bool(contract.partial_file_of(77).search(name)) is left
