"""What configurations meant that were kept before some of today's keys were there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.schema.config import NEUTRAL, Config
from training.schema.split import AutoSplit

OPEN_KINDS = ("inception", "auto")
HELD_OUT = ("held_out", "held_out_longitudes", "held_out_periods")


def with_older_meaning(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration of a card or a checkpoint, with the keys that its version lacked as they worked.

    Such a configuration was kept whole, with every key of its time.
    """
    result = {"base": "default", "domain": "all", **settings}
    if isinstance(result.get("target"), Mapping):
        result["target"] = {**NEUTRAL, **result["target"]}
    validation = result.get("validation")
    if isinstance(validation, Mapping) and "where" not in validation:
        named = any(validation.get(key) for key in HELD_OUT)
        result["validation"] = {**validation, "where": "auto" if named else "training"}
    return result


def neutral_left_out(plain: dict[str, Any], config: Config) -> dict[str, Any]:
    """Return the keys of a configuration that its hash is made of: without those that change nothing.

    A key that came later is left out where it says what runs did before it was there, and stands as `auto`
    where the choice is left to the data, so that records of older runs stay valid.

    Args:
        plain: the configuration, without keys that have their default value.
        config: the same, validated.
    """
    kept = {key: value for key, value in plain.items() if key not in ("validation", "target")}
    validation = dict(plain.get("validation", {}))
    validation.pop("where", None)
    if _validates_by_choice(config):
        validation["where"] = "auto"
    target = {key: value for key, value in plain.get("target", {}).items() if value != NEUTRAL.get(key)}
    target |= {key: "auto" for key in NEUTRAL if getattr(config.target, key) in ("auto", None)}
    kept.pop("base", None)
    if config.base != "default" and config.cascade is None:
        kept["base"] = config.base
    return {**kept, "target": target, **({"validation": validation} if validation else {})}


def leaves_open(config: Config) -> bool:
    """Return whether a part of a configuration is left for the data to choose."""
    network = "widths" in config.network or config.network.get("kind", "inception") not in OPEN_KINDS
    says_all = network and config.steps > 0 and not isinstance(config.split, AutoSplit)
    return not says_all or config.target.leaves_open or _validates_by_choice(config)


def _validates_by_choice(config: Config) -> bool:
    held, blocks = config.validation, config.split.drawn_blocks
    named = held.names_something or (blocks is not None and blocks.validation > 0)
    return held.where == "auto" and not named
