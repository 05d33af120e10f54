"""How far members are to stand out from the estimate, so that held-out data could be one of them.

The noise learns what training leaves unknown, beside the sources that training mostly has. On data that were
held out an estimate errs more, and the more so the fewer sources there are. What makes the members' spread as
large as the error of their mean there is found for each set of sources and kept in the card
(`engine.specs.SpreadSpec`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import torch

from engine.fields.domain import conserved
from engine.fields.patch import moved
from engine.nets.downscaler import Downscaler
from engine.specs import SourceSpec, SpreadSpec
from training.data.archive import Archive
from training.data.patches import View
from training.data.region import truth_of
from training.data.split import Split
from training.evaluation.predict import Strip, patches_of
from training.evaluation.validation_strips import strips
from training.metrics.ensemble.spread_skill import SpreadSkill

FACTORS = (0.3, 0.5, 0.7, 0.85, 1.0, 1.2, 1.45, 1.75, 2.1, 2.5, 3.0, 4.0, 5.5)
WHOLE = 3  # optional sources of which all sets are tried; of more, those that lack or hold one, all, and none
TIMES = 8  # at most, spread over the validation's
MEMBERS = 6


@torch.no_grad()
def spread_of(model: Downscaler, archive: Archive, split: Split, block: int) -> SpreadSpec | None:
    """Return the factors for each set of sources; None where no member is drawn or nothing is held out.

    Args:
        model: as it is shipped but for its spread.
        archive, split: what it was trained and validated on.
        block: months withheld, see `training.trainer.validation.validate`.
    """
    if not model.ensemble or not split.held_out:
        return None
    here = [source for source in model.sources if source.name in split.training_view.sources]
    factors = []
    for gone in withheld(here):
        view = split.training_view.without(gone)
        factor = _factor(model, archive, split, view, block)
        if factor is not None:
            factors.append((frozenset(s.name for s in here) - gone, factor))
    return SpreadSpec(tuple(factors)) if factors else None


def withheld(sources: Sequence[SourceSpec]) -> Iterator[frozenset[str]]:
    """Yield sets of optional sources to go without, the empty one first."""
    names = [source.name for source in sources if source.optional]
    counts = list(range(len(names) + 1))
    if len(names) > WHOLE:
        counts = sorted({0, 1, len(names) - 1, len(names)})
    for count in counts:
        for chosen in combinations(names, count):
            yield frozenset(chosen)


def _factor(model: Downscaler, archive: Archive, split: Split, view: View, block: int) -> float | None:
    """Return the factor with which spread over skill is 1, None where it cannot be told."""
    target, region = model.target, split.validation
    device = next(model.parameters()).device
    measured = [SpreadSkill() for _ in FACTORS]
    for strip in _some(list(strips(archive, split, block))):
        truth = truth_of(archive, region, strip.time)[0]
        for place, _, patch in patches_of(archive, strip, model.halo, view):
            inputs = model.prepare(moved(patch, device))
            fields = [model(inputs, strip.time, number) for number in range(MEMBERS + 1)]
            estimate, members = fields[0], torch.cat(fields[1:])
            for factor, metric in zip(FACTORS, measured, strict=True):
                drawn = model.to_physical(torch.lerp(estimate, members, factor)).split(1)
                kept = [conserved(one, patch, target, target.strength) for one in drawn]
                metric.update(torch.cat(kept).to("cpu").numpy(), truth[place])
    return solved([metric.compute() for metric in measured])


def _some(all_strips: Sequence[Strip]) -> list[Strip]:
    """Return `TIMES` of the strips at most, evenly spaced."""
    count = min(TIMES, len(all_strips))
    return [all_strips[(2 * index + 1) * len(all_strips) // (2 * count)] for index in range(count)]


def solved(ratios: Sequence[float]) -> float | None:
    """Return the factor at which spread over skill is 1, between `FACTORS` by their logarithms.

    Args:
        ratios: of spread over skill at each of `FACTORS`.

    Returns:
        The first or the last of them where the ratios do not reach 1; None where they are no numbers, or the
        members do not differ.
    """
    if not all(math.isfinite(ratio) and ratio > 0 for ratio in ratios):
        return None
    for low, high, below, above in zip(FACTORS, FACTORS[1:], ratios, ratios[1:], strict=False):
        if below <= 1 < above:
            share = -math.log(below) / math.log(above / below)
            return round(low * (high / low) ** share, 3)
    return FACTORS[0] if ratios[0] > 1 else FACTORS[-1]
