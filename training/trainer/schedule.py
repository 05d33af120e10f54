"""The learning rate and the adversarial weight as functions of the step."""

from __future__ import annotations

import math

from training.schema.config import AdversarialLoss, OptimiserSection


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
