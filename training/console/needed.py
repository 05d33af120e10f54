"""Packages that a command uses late are loaded early: one that is missing ends it before its long work."""

from __future__ import annotations

import importlib

from engine.broken_packages import importing


def load(*modules: str) -> None:
    """Import what will be used later.

    Raises:
        EngineError: one cannot be imported; it names the package.
    """
    with importing():
        for name in modules:
            importlib.import_module(name)
