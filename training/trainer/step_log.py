"""A run's log: a line of JSON for each step."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import torch
from torch import Tensor

from engine.errors import EngineError
from engine.files.atomic import write_text
from engine.files.system_errors import told_of

LOG = "log.jsonl"  # in the run's folder


@dataclass
class Losses:
    """One step's numbers."""

    terms: dict[str, float]
    rate: float


def read_losses(
    step: int, names: Iterable[str], terms: Tensor, rival: Tensor | None, norm: Tensor, rate: float
) -> Losses:
    """Read the losses of a step; the device is waited for once.

    Args:
        step: its number.
        names: of the terms.
        terms: the weighted terms, their sum is the total.
        rival: the discriminator's loss, where it took a step.
        norm: of the gradient.
        rate: of the step.

    Raises:
        EngineError: a term is not finite, or the gradient; the sentence names it.
    """
    names, one = list(names), [] if rival is None else [rival.float()[None]]
    *values, length = torch.cat([terms, terms.sum()[None], *one, norm.float()[None]]).to("cpu").tolist()
    numbers = dict(zip([*names, "total", "discriminator"], values))
    if not math.isfinite(numbers["total"]):
        wrong = ", ".join(n for n in names if not math.isfinite(numbers[n])) or "the sum"
        raise EngineError(f"The loss is not finite at step {step} ({wrong}): lower optimiser.rate.")
    if not math.isfinite(length):  # the weights are lost, and every later field is missing
        raise EngineError(f"The gradient is not finite at step {step}: lower optimiser.rate.")
    return Losses(numbers, rate)


@contextmanager
def opened(log: Path) -> Iterator[TextIO]:
    """Open a log to add lines to; what the system refuses meanwhile is told under its name."""
    with told_of(log), open(log, "a", encoding="utf-8") as file:
        yield file


def totals(log: Path) -> dict[int, float]:
    """Return the loss of each step that a log holds."""
    losses: dict[int, float] = {}
    if not log.is_file():
        return losses
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
            losses[int(record["step"])] = float(record["total"])
        except (ValueError, KeyError, TypeError):  # before the first step, or a killed run's last line
            continue
    return losses


def truncate(log: Path, step: int) -> None:
    """Drop the lines after a step: they are written again."""
    if not log.is_file():
        return
    kept = []
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line)
        except ValueError:
            break  # the killed run's last, broken line
    write_text(log, "".join(f"{line}\n" for line in kept))
