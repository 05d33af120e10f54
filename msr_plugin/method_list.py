"""The simple methods, from the engine's list of them: `engine/methods/methods.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .folders import ROOT


@dataclass(frozen=True)
class ListedMethod:
    """A method without learning, as its form needs it."""

    id: str
    title: str
    help: str
    needs: tuple[str, ...]  # names of the sources that it cannot do without
    any_sources: bool = False  # it takes whatever rasters are given
    tells_error: bool = False  # it tells the error that it expects, and what is supported


def _read() -> dict[str, ListedMethod]:
    entries = json.loads((ROOT / "engine" / "methods" / "methods.json").read_text(encoding="utf-8"))
    return {
        id: ListedMethod(
            id,
            entry["title"],
            entry["help"],
            tuple(entry["needs"]),
            entry.get("any_sources", False),
            entry.get("tells_error", False),
        )
        for id, entry in entries.items()
    }


METHODS = _read()  # by id, in the order of the form


def uses(method: str, source: str) -> bool:
    """Return whether a method makes use of a source."""
    return method in METHODS and (METHODS[method].any_sources or source in METHODS[method].needs)


def needing(source: str) -> tuple[str, ...]:
    """Return the ids of the methods that cannot do without a source."""
    return tuple(method.id for method in METHODS.values() if source in method.needs)
