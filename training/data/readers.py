"""Data sets for training: one file each, one line each in `READERS`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from engine.commands.sentences import shown
from engine.errors import InputError
from training.data import itur, store
from training.data.archive import Archive
from training.schema.config import Config
from training.schema.problems import first_error

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
    check_options(reader, config.data.options)
    archive = reader(factor=config.factor, **config.data.options)
    for source in config.sources:
        held = archive.sources.get(source.name)
        if source.default and held is not None and (held.dynamic or held.traits.of_target):
            raise InputError(f"sources.{source.name}.default: only a static source can ship with the model.")
        if source.name not in archive.sources:
            known = ", ".join(sorted(archive.sources))
            raise InputError(f"sources: {config.data.name} has no source {source.name} (it has: {known}).")
    return archive


def check_options(reader: Callable[..., Archive], options: Mapping[str, Any]) -> None:
    """Check that the options are those that a reader takes, of the kinds that it wants.

    Raises:
        InputError: naming the option.
    """
    signature = inspect.signature(reader, eval_str=True)
    known = [name for name in signature.parameters if name != "factor"]
    for name in options:
        if name not in known:
            takes = f"it takes {', '.join(known) or 'none'}"
            raise InputError(f"data.options: there is no option {shown(name)} ({takes}).")
    for name in known:
        parameter = signature.parameters[name]
        if name not in options:
            if parameter.default is parameter.empty:
                raise InputError(f"data.options: the option {name} is missing.")
        elif parameter.annotation is not parameter.empty:
            try:
                TypeAdapter(parameter.annotation).validate_python(options[name])
            except ValidationError as error:
                raise InputError(first_error(error, f"data.options.{name}")) from error
