"""What a step's number and the seed decide: rate, weights, noise, sources gone; and when training stops."""

from __future__ import annotations

import math

import numpy as np
import torch

from training.schema.config import AdversarialLoss, Config, OptimiserSection
from training.schema.validation import ValidationSection


def rate(step: int, steps: int, optimiser: OptimiserSection, peak: float | None = None) -> float:
    """Return the rate of step 0 … steps − 1: a linear warm-up, then half a cosine to the final rate."""
    peak = optimiser.rate if peak is None else peak
    final = min(optimiser.final_rate, peak)
    if step < optimiser.warmup_steps:
        return peak * (step + 1) / optimiser.warmup_steps
    done = (step - optimiser.warmup_steps) / max(1, steps - optimiser.warmup_steps)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def adversarial_weight(step: int, section: AdversarialLoss | None) -> float:
    """Return the weight of the adversarial term: zero before its start, then a linear ramp."""
    if section is None or step < section.start:
        return 0.0
    if not section.ramp:
        return section.weight
    return section.weight * min(1.0, (step - section.start + 1) / section.ramp)


def no_better(step: int, best: int, validation: ValidationSection) -> bool:
    """Return whether training stops: so many validations since the best one were no better.

    It depends on these numbers alone, so a run that goes on stops where it would have stopped.

    Args:
        step: steps done.
        best: steps that were done at the best validation.
        validation: with its patience, 0 for none, and the steps from one to the next.
    """
    since = step // validation.every - best // validation.every
    return 0 < validation.patience <= since


def sources_gone(config: Config, rng: np.random.Generator) -> set[str]:
    """Draw which sources a step goes without."""
    draws = rng.random(len(config.sources) + 1)
    if draws[0] < config.sampling.without_sources:
        return {s.name for s in config.sources if s.optional}
    pairs = zip(config.sources, draws[1:], strict=True)
    return {s.name for s, draw in pairs if s.optional and draw < s.dropout}


def set_rate(optimiser: torch.optim.Optimizer, value: float) -> None:
    """Let the next step of an optimiser have this rate."""
    for group in optimiser.param_groups:
        group["lr"] = value


def noise_seed(seed: int, step: int) -> int:
    """Return the seed of the noise that a step's members are drawn with."""
    return int(np.random.SeedSequence([seed, step, 1]).generate_state(1)[0])
