"""One step's losses as numbers, read from the device at once."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.errors import EngineError


@dataclass
class Losses:
    """One step's numbers."""

    terms: dict[str, float]
    rate: float


def read_losses(step: int, names: Iterable[str], terms: Tensor, rival: Tensor | None, rate: float) -> Losses:
    """Read the losses of a step; the device is waited for once.

    Args:
        step: its number.
        names: of the terms.
        terms: the weighted terms, their sum is the total.
        rival: the discriminator's loss, where it took a step.
        rate: of the step.

    Raises:
        EngineError: a term is not finite; the sentence names it.
    """
    names, one = list(names), [] if rival is None else [rival.float()[None]]
    values = torch.cat([terms, terms.sum()[None], *one]).to("cpu").tolist()
    numbers = dict(zip([*names, "total", "discriminator"], values))
    if not math.isfinite(numbers["total"]):
        wrong = ", ".join(n for n in names if not math.isfinite(numbers[n])) or "the sum"
        raise EngineError(f"The loss is not finite at step {step} ({wrong}): lower optimiser.rate.")
    return Losses(numbers, rate)
