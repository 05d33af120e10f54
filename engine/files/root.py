"""The folder that holds the rooms, `resources/` and the requirements: a checkout or a plugin."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
