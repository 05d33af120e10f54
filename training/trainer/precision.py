"""Precision and memory layout of training, chosen by a short measurement of real steps.

bfloat16 means autocast around generator and discriminator: weights, base, the residual's sum,
the losses in physical units and conservation stay float32.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from engine.compute.devices import PrecisionPlan, lay_out

RUNS = 2
HOPELESS = 8.0  # times the best that a first step, which also prepares, may take
WORTH = 0.85  # bfloat16 must take less than this share of float32's time to be worth its rounding


@dataclass(frozen=True)
class TrainingPlan:
    """How the networks run in training."""

    bfloat16: bool = False
    channels_last: bool = False

    def apply(self, device: torch.device, *modules: nn.Module) -> None:
        """Lay out the modules' weights, float32."""
        for module in modules:
            lay_out(module, device, PrecisionPlan(channels_last=self.channels_last))

    def autocast(self, device: torch.device) -> contextlib.AbstractContextManager[None]:
        """Return the context in which the networks run."""
        if not self.bfloat16:
            return contextlib.nullcontext()
        return torch.autocast(device.type, torch.bfloat16)

    def __str__(self) -> str:
        layout = "channels-last" if self.channels_last else "contiguous"
        return f"{'bfloat16' if self.bfloat16 else 'float32'}, {layout}"


def choose(
    step: Callable[[TrainingPlan], object],
    precision: str,
    layout: str = "auto",
    warms_up: bool = False,
) -> tuple[TrainingPlan, dict[str, float]]:
    """Time a few whole steps in each plan and return the fastest, and the seconds of each.

    Args:
        step: runs one step, forward and backward, without changing any weight.
        precision: auto, float32 or bfloat16.
        layout: auto, contiguous or channels_last.
        warms_up: the first step of a plan tells nothing: an accelerator loads its kernels in it.
    """
    kinds = {"auto": (False, True), "float32": (False,), "bfloat16": (True,)}[precision]
    layouts = {"auto": (False, True), "contiguous": (False,), "channels_last": (True,)}[layout]
    plans = [TrainingPlan(kind, last) for kind in kinds for last in layouts]
    seconds: dict[TrainingPlan, float] = {}
    if len(plans) == 1:
        return plans[0], {}
    for plan in plans:
        fastest = min(seconds.values(), default=float("inf"))
        if plan.bfloat16 and any(p.bfloat16 and s > HOPELESS * fastest for p, s in seconds.items()):
            continue  # in the other layout it was hopeless
        start = time.perf_counter()
        step(plan)
        first = time.perf_counter() - start
        if not warms_up and plan.bfloat16 and first > HOPELESS * fastest:  # one step tells
            seconds[plan] = first
            continue
        best = float("inf")
        for _ in range(RUNS):
            start = time.perf_counter()
            step(plan)
            best = min(best, time.perf_counter() - start)
        seconds[plan] = best
    cost = {plan: s / (WORTH if plan.bfloat16 else 1) for plan, s in seconds.items()}
    return min(cost, key=cost.__getitem__), {str(plan): s for plan, s in seconds.items()}
