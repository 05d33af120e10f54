"""The base on which a model's residual stands: the best disaggregation that the sources allow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from engine.card import SourceSpec, TargetSpec
from engine.climatology import season_weights, weighted_mean
from engine.interpolation import HALO
from engine.methods.disaggregation import disaggregate
from engine.methods.smooth import interpolate
from engine.patch import Patch

BASE_HALO = HALO["bicubic"]  # coarse cells of context


def base_field(patch: Patch, target: TargetSpec, sources: Iterable[SourceSpec], halo: int) -> Tensor:
    """Return the base in physical units, before conservation.

    With a climatology it is the climatology ratio (for signed targets, the anomaly), else
    interpolation in the target's transformed space.

    Args:
        patch: its halo is at least `halo` + `BASE_HALO`.
        target: what is downscaled.
        sources: of the card, for the climatology's kernel.
        halo: coarse cells that the result keeps around the window.

    Returns:
        (B, (h + 2·halo)·k, (w + 2·halo)·k) float32, NaN where there is no coarse value.
    """
    patch = replace(patch, halo=patch.halo - halo)  # a larger window in a thinner halo
    climatology = next((s for s in sources if s.kind == "climatology"), None)
    if climatology is None or patch.climatology is None:
        return interpolate(patch.target, patch.factor, target, "bicubic", patch.halo)
    distance = patch.climatology_distance
    if distance is None:
        distance = torch.zeros(patch.climatology.shape[:2], device=patch.target.device)
    weights = season_weights(distance, climatology.kernel_months)
    return disaggregate(patch, weighted_mean(patch.climatology, weights), target, "bicubic")
