"""The simple methods by id, from the list that the plugin reads too.

A new one is a module of this room, named as its id, with `build(info, factor, target)`, and an entry in
`methods.json`.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from engine.errors import InputError
from engine.methods.baseline_info import BaselineInfo
from engine.methods.interface import Method
from engine.specs import TargetSpec

LIST = Path(__file__).with_name("methods.json")


def read_list(path: Path = LIST) -> dict[str, BaselineInfo]:
    """Return the methods of a list, in its order.

    Raises:
        ImportError: a method on it has no module of its name.
    """
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {
        id: BaselineInfo(
            id=id,
            title=entry["title"],
            help=entry["help"],
            needs=tuple(entry["needs"]),
            builder=importlib.import_module(f"engine.methods.{id}").build,
            conserves=entry.get("conserves", False),
            temperatures_only=entry.get("temperatures_only", False),
            any_sources=entry.get("any_sources", False),
            tells_error=entry.get("tells_error", False),
            title_signed=entry.get("title_signed", ""),
        )
        for id, entry in entries.items()
    }


BASELINES = read_list()


def baseline(id: str, factor: int, target: TargetSpec) -> Method:
    """Return a method without learning.

    Raises:
        InputError: no method has this id, or the factor is not from 2 to 100.
    """
    if id not in BASELINES:
        raise InputError(f"There is no method {id}: choose one of {', '.join(BASELINES)}.")
    if not 2 <= factor <= 100:
        raise InputError(f"The factor is {factor}; it must be a whole number from 2 to 100.")
    return BASELINES[id].build(factor, target)


def variants(id: str, target: TargetSpec) -> list[tuple[str, str, float]]:
    """Return (name, title, conservation strength) of the ways in which a baseline is compared on a target."""
    info = BASELINES[id]
    title = info.title_for(target)
    if info.conserves:
        return [(id, title, 1.0)]
    return [(id, title, 0.0), (f"{id}-conservative", f"{title}, conservative", 1.0)]
