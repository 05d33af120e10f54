"""Which network it is, and how wide, where the configuration does not say it: what the data can teach."""

from __future__ import annotations

from dataclasses import dataclass
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
# The perceptron, whose every cell is a sample: where they are few, or lie scattered.
PERCEPTRON, FEW, SCATTERED = "perceptron", 1_000_000, 0.5
WIDTH, DROPOUT = 96, 0.3
SEASONS = 3  # months that training dates must lie in for the network to look at the season


def choose_network(config: Config, archive: Archive) -> Chosen:
    """Return the configuration with the network's kind and widths; what it names of them stays.

    One that starts from a package has all of its network but what draws members, as far as it says nothing
    else.

    Raises:
        InputError: as `training.data.split.split_regions`; or the factor is no product of 2, 3 and 5.
    """
    kind = config.network.get("kind", "auto" if "widths" not in config.network else "inception")
    if kind not in ("auto", "inception") or (kind == "inception" and "widths" in config.network):
        return Chosen(config)
    default = _default(config)
    if config.start_from is not None:
        held = find_package(config.start_from).card.network
        theirs = {key: value for key, value in held.items() if key not in OWN}
        network = {**theirs, **config.network, "widths": [int(width) for width in held["widths"]]}
        told = f"as {config.start_from} has them"
    else:
        truth = known_truth(config, archive)
        told = f"for {truth.cells / 1e6:.2g} million cells of truth in training"
        if truth.share < SCATTERED:
            told += f", {truth.share:.0%} of the cells where some are known"
        if kind == "auto" and takes_perceptron(config, truth):
            network = _perceptron(config, archive, len(default))
        else:
            times = next(times for least, times in BY_TRUTH if truth.cells >= least)
            widths = [max(NARROWEST, 4 * round(times * width / 4)) for width in default]
            network = {**config.network, "widths": widths}
            network.pop("kind", None)
    made = f"{network.get('kind', 'inception')}, widths {', '.join(map(str, network['widths']))}"
    if network.get("kind") == PERCEPTRON and config.start_from is None:
        made = f"{PERCEPTRON} of each cell's own features, width {network['widths'][0]}"
        made += ", with the season" if network.get("season") else ""
    told = f"Network: {made}, {told}."
    return Chosen(config.model_copy(update={"network": network}), (told,))


@dataclass(frozen=True)
class KnownTruth:
    """How much fine truth there is in training.

    Attributes:
        cells: fine cells with a truth, all dates counted.
        share: of the fine cells in those coarse cells and dates that have any.
    """

    cells: int
    share: float


def takes_perceptron(config: Config, truth: KnownTruth) -> bool:
    """Return whether the truth is too little, or too scattered, for convolutions.

    A perceptron takes no noise, so it is not for ensembles; a cascade learns at several scales.
    """
    if config.ensemble is not None or config.network.get("noise") or config.cascade is not None:
        return False
    if config.losses.adversarial is not None and "losses" in config.model_fields_set:
        return False  # texture is wanted, which a cell by itself has not
    return truth.cells < FEW or truth.share < SCATTERED


def _perceptron(config: Config, archive: Archive, levels: int) -> dict[str, Any]:
    """Return the `network` of a perceptron; the season is seen where training dates tell several apart."""
    months = {int(archive.months[time]) for time in split_regions(config, archive).train.times}
    chosen: dict[str, Any] = {"kind": PERCEPTRON, "widths": [WIDTH] * levels, "options": {"dropout": DROPOUT}}
    if len(months) >= SEASONS:
        chosen["season"] = True
    return {**chosen, **{key: value for key, value in config.network.items() if key != "kind"}}


def known_truth(config: Config, archive: Archive) -> KnownTruth:
    """Return how much fine truth is known in training; by some dates of many."""
    region = split_regions(config, archive).train
    times = region.times[:: -(-len(region.times) // DATES)]
    share = truth_share(archive, times)
    first, last = region.columns
    share = share if region.cells is None else share * region.cells
    share = share[..., first:last]
    known = float(share.sum(dtype=np.float64)) * archive.factor**2
    some = int((share > 0).sum()) * archive.factor**2
    return KnownTruth(round(known * len(region.times) / len(times)), known / some if some else 0.0)


def _default(config: Config) -> tuple[int, ...]:
    try:
        return default_widths(config.factor)
    except InputError as error:
        raise InputError(f"network: {error}") from error
