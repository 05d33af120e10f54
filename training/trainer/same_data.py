"""Whether a checkpoint was trained as the configuration says, on the data that are there now."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import InputError
from engine.specs import SourceSpec, TargetSpec
from training.data.archive import Archive
from training.schema.config import Config, parse_config
from training.schema.older import with_older_meaning

_CLOSE = 1e-4  # relative: another machine may add up in another order


def facts(
    archive: Archive, target: TargetSpec, sources: Sequence[SourceSpec], spread: float
) -> dict[str, Any]:
    """Return what tells a data set from others, as JSON holds it: words for it → words or numbers.

    Args:
        archive: the data set.
        target, sources: with their statistics in training.
        spread: standard deviation of the truth in training.
    """
    numbers: dict[str, Any] = {
        "name": archive.name,
        "units": archive.units,
        "dates": list(archive.dates),
        "grid": [archive.crs, *archive.transform[:6], *archive.shape],
        f"values of {target.name}": [target.mean, target.std, spread, *(target.range or ())],
    }
    for source in sources:
        moments = [each[key] for _, each in sorted(source.normalisation.items()) for key in sorted(each)]
        numbers[f"values of {source.name}"] = [source.units, *moments, *(source.range or ())]
    return numbers


def changed_keys(then: Mapping[str, Any], config: Config) -> list[str]:
    """Return the keys of which a checkpoint's configuration says something else.

    Args:
        then: as the checkpoint holds it, maybe of an older version.
        config: the one of now.
    """
    now = config.model_dump(mode="json", exclude={"ablation", "device"})  # no matter of this run's numbers
    held = with_older_meaning(then)
    with contextlib.suppress(InputError):  # keys of a newer version: they differ
        held = parse_config(held).model_dump(mode="json")
    return [key for key in now if held.get(key) != now[key]]


def differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the words for what differs between two data sets' facts."""
    return [word for word in now if word in then and not _same(then[word], now[word])]


def check(folder: Path, config: Config, state: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of another training.

    Args:
        folder: of the run.
        config: of this training.
        state: of the checkpoint.
        data: facts of the data set that is there now.

    Raises:
        InputError: it is of another configuration or of other data; the sentence names the keys.
    """
    for what, differ in (
        ("with another configuration", changed_keys(state["config"], config)),
        ("from other data", differing(state.get("data", {}), data)),
    ):
        if differ:
            raise InputError(
                f"The checkpoint in {folder} was made {what} ({', '.join(differ)}): use that again, or start "
                f"without --resume."
            )


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(_same(a, b) for a, b in zip(one, two))
    if isinstance(one, float) or isinstance(two, float):
        return isinstance(one, (int, float)) and math.isclose(one, two, rel_tol=_CLOSE, abs_tol=1e-9)
    return bool(one == two)
