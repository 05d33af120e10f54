"""What was chosen where a configuration leaves something open."""

from __future__ import annotations

from dataclasses import dataclass

from training.schema.config import Config


@dataclass(frozen=True)
class Chosen:
    """A configuration with a part of it filled in.

    `told` are the sentences that say what was chosen and why; `doubts` those that say what cannot be judged.
    """

    config: Config
    told: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
