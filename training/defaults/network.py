"""How wide the network is, where the configuration does not say it: as wide as the data can teach."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import InputError
from engine.nets.spec import default_widths
from engine.package.folder import find_package
from training.data.archive import Archive
from training.data.hold_out.chosen import Chosen
from training.data.known_truth import truth_share
from training.data.split import split_regions
from training.schema.config import Config

# Cells of truth in training, at least, and what the widths of `default_widths` are multiplied by.
BY_TRUTH = ((5_000_000, 1.5), (1_000_000, 1.0), (100_000, 0.5), (0, 0.25))
NARROWEST = 8
# Keys of a package's network that a training which starts from it does not take over.
OWN = ("factor", "coarse", "fine", "noise", "noise_gain", "flow")
DATES = 60  # that truth is counted on, at most


def choose_network(config: Config, archive: Archive) -> Chosen:
    """Return the configuration with the network's widths; one that names them or another kind stays.

    One that starts from a package has all of its network but what draws members, as far as it says nothing
    else.

    Raises:
        InputError: as `training.data.split.split_regions`; or the factor is no product of 2, 3 and 5.
    """
    if "widths" in config.network or config.network.get("kind", "inception") != "inception":
        return Chosen(config)
    theirs: dict[str, Any] = {}
    if config.start_from is not None:
        held = find_package(config.start_from).card.network
        theirs = {key: value for key, value in held.items() if key not in OWN}
        widths = [int(width) for width in held["widths"]]
        why = f"as {config.start_from} has them"
    else:
        known = known_cells(config, archive)
        times = next(times for least, times in BY_TRUTH if known >= least)
        widths = [max(NARROWEST, 4 * round(times * width / 4)) for width in _default(config)]
        why = f"for {known / 1e6:.2g} million cells of truth in training"
    network = {**theirs, **config.network, "widths": widths}
    told = f"Network: widths {', '.join(map(str, widths))}, {why}."
    return Chosen(config.model_copy(update={"network": network}), (told,))


def known_cells(config: Config, archive: Archive) -> int:
    """Return how many fine cells have a truth in training, all dates counted; by some dates of many."""
    region = split_regions(config, archive).train
    times = region.times[:: -(-len(region.times) // DATES)]
    share = truth_share(archive, times)
    first, last = region.columns
    share = share if region.cells is None else share * region.cells
    known = float(share[..., first:last].sum(dtype=np.float64)) * archive.factor**2
    return round(known * len(region.times) / len(times))


def _default(config: Config) -> tuple[int, ...]:
    try:
        return default_widths(config.factor)
    except InputError as error:
        raise InputError(f"network: {error}") from error
