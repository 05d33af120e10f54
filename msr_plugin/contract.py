"""What plugin and engine agree on, from the engine's `contract.json` beside this folder."""

from __future__ import annotations

import json
import re
from typing import Any

from .folders import ROOT

_CONTRACT: dict[str, Any] = json.loads((ROOT / "engine" / "contract.json").read_text(encoding="utf-8"))

PROTOCOL: int = _CONTRACT["protocol"]  # of the messages between plugin and worker
CARD_VERSION: int = _CONTRACT["card_version"]  # of a model's card
MAX_CARD_BYTES: int = _CONTRACT["max_card_bytes"]
MOST_MEMBERS: int = _CONTRACT["most_members"]  # of an ensemble
MOST_LEVELS: int = _CONTRACT["most_levels"]  # quantiles of an ensemble
MOST_COHERENT_DAYS: int = _CONTRACT["most_coherent_days"]  # over which a member changes
MAX_CELLS: int = _CONTRACT["max_cells"]  # of an output
RESERVED_IDS: frozenset[str] = frozenset(_CONTRACT["reserved_ids"])  # of algorithms, so never a model's
IDLE_SECONDS: int = _CONTRACT["idle_seconds"]  # after which a worker without a run ends
_PARTIAL_ENDING: str = _CONTRACT["partial_ending"]  # of a file that is being written
PARTIAL_SIGNS = len(_PARTIAL_ENDING.format(host="0" * 8, pid="0" * 6, number="000")) + len(".aux.xml")


def partial_file_of(pid: int) -> re.Pattern[str]:
    """Return what is found in the name of a file that this process was writing."""
    fields = {"host": "[0-9a-f]{8}", "pid": str(pid), "number": r"\d+"}
    escaped = re.escape(_PARTIAL_ENDING)
    return re.compile(re.sub(r"\\\{(\w+)\\\}", lambda field: fields[field[1]], escaped))
