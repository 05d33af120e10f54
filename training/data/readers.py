"""Data sets for training: one file each, one line each in `READERS`."""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import InputError
from training.data import itur, store
from training.data.archive import Archive
from training.schema.config import Config

READERS: dict[str, Callable[..., Archive]] = {
    "itur": itur.load,
    "store": store.load,
}


def load_archive(config: Config) -> Archive:
    """Read the data set that a configuration names.

    Raises:
        InputError: no such data set, or an option or source that it does not have; or a cascade, whose
            data set is read one level up for each of its steps.
    """
    if config.cascade is not None:
        raise InputError(
            f"cascade: {config.model.id} knows no fine truth; training.cascade scores it one level up."
        )
    reader = READERS.get(config.data.name)
    if reader is None:
        known = ", ".join(sorted(READERS))
        raise InputError(f"data.name: there is no data set {config.data.name} (there are: {known}).")
    try:
        archive = reader(factor=config.factor, **config.data.options)
    except TypeError as error:
        raise InputError(f"data.options: {error}.") from error
    for source in config.sources:
        held = archive.sources.get(source.name)
        if source.default and held is not None and (held.dynamic or held.traits.of_target):
            raise InputError(f"sources.{source.name}.default: only a static source can ship with the model.")
        if source.name not in archive.sources:
            known = ", ".join(sorted(archive.sources))
            raise InputError(f"sources: {config.data.name} has no source {source.name} (it has: {known}).")
    return archive
