"""Fill in what a configuration leaves open, so that everything after it reads one that says all."""

from __future__ import annotations

import sys
from collections.abc import Callable

from training.data.archive import Archive
from training.data.hold_out.chosen import Chosen
from training.data.hold_out.split import choose_split
from training.data.hold_out.validation import choose_validation
from training.defaults.cascade import choose_cascade
from training.defaults.network import choose_network
from training.defaults.schedule import choose_schedule
from training.defaults.target import choose_target
from training.schema.config import Config, parse_config

STEPS: tuple[Callable[[Config, Archive], Chosen], ...] = (
    choose_split,
    choose_validation,
    choose_target,
    choose_cascade,
    choose_network,
    choose_schedule,
)


def complete(config: Config, archive: Archive) -> Chosen:
    """Return the configuration with nothing left open; one that says all stays as it is.

    What is chosen depends on the configuration and the data alone, so a run that goes on chooses the same.

    Raises:
        InputError: the split is not for the data set, or a part of it is left without data.
    """
    told: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    for step in STEPS:
        chosen = step(config, archive)
        config, told, doubts = chosen.config, told + chosen.told, doubts + chosen.doubts
    if doubts:  # whoever uses the model is to know them too
        model = config.model
        said = " ".join((model.description or f"{model.name}.", *doubts))
        config = config.model_copy(update={"model": model.model_copy(update={"description": said})})
    return Chosen(parse_config(config.model_dump(mode="json")), told, doubts)


def completed(config: Config, archive: Archive, quiet: bool = False) -> Config:
    """Return the complete configuration and print what was chosen; doubts are printed in any case."""
    chosen = complete(config, archive)
    if not quiet and chosen.told:
        print("Chosen, where the configuration leaves it open:")
        for sentence in chosen.told:
            print(f"  {sentence}")
    for sentence in chosen.doubts:
        print(sentence, file=sys.stderr)
    return chosen.config
