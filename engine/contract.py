"""What engine and plugin agree on: `contract.json`, which the plugin reads for itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CONTRACT_FILE = Path(__file__).with_name("contract.json")
_CONTRACT: dict[str, Any] = json.loads(CONTRACT_FILE.read_text(encoding="utf-8"))

PROTOCOL: int = _CONTRACT["protocol"]  # of the messages between plugin and worker
CARD_VERSION: int = _CONTRACT["card_version"]  # of a model's card
MAX_CARD_BYTES: int = _CONTRACT["max_card_bytes"]
MOST_MEMBERS: int = _CONTRACT["most_members"]  # of an ensemble
MOST_LEVELS: int = _CONTRACT["most_levels"]  # quantiles of an ensemble
MOST_COHERENT_DAYS: int = _CONTRACT["most_coherent_days"]  # over which a member changes
MAX_CELLS: int = _CONTRACT["max_cells"]  # of an output; more is a slip of the resolution
RESERVED_IDS: frozenset[str] = frozenset(_CONTRACT["reserved_ids"])  # of algorithms, so never a model's
# How the name of a file that is being written ends: host is 8 hexadecimal digits, pid the writer's.
PARTIAL_ENDING: str = _CONTRACT["partial_ending"]
IDLE_SECONDS: int = _CONTRACT["idle_seconds"]  # after which a worker without a run ends
