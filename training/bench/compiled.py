"""What OpenVINO gains: its rate for a model's network beside torch's best, in one run."""

from __future__ import annotations

import torch

from engine.models.compiled import available, settle
from engine.models.model import ModelMethod


def compiled_gain(method: ModelMethod, given: set[str]) -> dict[str, float] | None:
    """Return how OpenVINO compares with torch in float32, None where it is not installed or takes no part.

    Returns:
        `gain`, times as fast as torch's best layout, `difference`, over the range of the field, and
        `used`, whether a long run takes it.
    """
    if not available() or method.device.type != "cpu" or method.plan.dtype != torch.float32:
        return None
    said: list[str] = []
    verdict = settle(method, given, float("inf"), said.append)
    method.module.compiled = None
    if verdict is None:
        return None
    return {"gain": verdict.gain, "difference": verdict.difference, "used": float(verdict.use)}
