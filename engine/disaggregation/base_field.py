"""The base on which a model's residual stands: the best disaggregation that the sources allow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from engine.disaggregation.climatology_ratio import disaggregate
from engine.disaggregation.constructed_analogues import HALO as ANALOGUE_HALO
from engine.disaggregation.constructed_analogues import analogue_field, enough_bands
from engine.disaggregation.interpolation import interpolate
from engine.disaggregation.peak_bound import beyond_bound
from engine.disaggregation.smooth_correction import REACH, smooth_correction
from engine.fields.climatology import season_weights, weighted_mean
from engine.fields.domain import conserved, within
from engine.fields.missing import all_finite
from engine.fields.patch import Patch
from engine.fields.upsample import HALO
from engine.fields.windows import crop, spread_cells
from engine.specs import SourceSpec, TargetSpec

MOST_BANDS = 24  # a daily climatology is weighted by season instead of fitted
BASE_HALO = max(ANALOGUE_HALO, HALO["bicubic"] + REACH)  # coarse cells of context


def base_field(patch: Patch, target: TargetSpec, sources: Iterable[SourceSpec], margin: int) -> Tensor:
    """Return the base in physical units, conserved.

    With a climatology of several bands it is their locally fitted mixture, with few bands or very
    many the climatology ratio (for signed targets, the anomaly); without one it is interpolation in
    the target's transformed space. Where the climatology is invalid, the next best takes its place; in
    coarse cells where a non-negative quantity would rise beyond `LARGEST_PEAK` times what is known
    around them, the interpolation does.

    Args:
        patch: its halo is at least `margin` + `BASE_HALO`.
        target: what is downscaled.
        sources: of the card, for the climatology's kernel.
        margin: coarse cells around the window that the result keeps; a network's halo, say.

    Returns:
        (B, (h + 2·margin)·k, (w + 2·margin)·k) float32, NaN where there is no coarse value
        and outside the patch's domain.
    """
    patch = replace(patch, halo=patch.halo - margin)  # a larger window in a thinner halo
    k, area = patch.factor, patch.averaging_area(target)
    source = next((s for s in sources if s.traits.of_target), None)
    if source is None or patch.climatology is None:
        return conserved(_interpolated(patch, target, area), patch, target)
    bands = within(patch.climatology, patch)
    field = conserved(_from_climatology(patch, bands, target, source, area), patch, target)
    if not target.nonnegative:
        return field
    wrong = beyond_bound(field, patch.target, bands, k, patch.halo, patch.kept_of_climatology)
    if not bool(wrong.any()):
        return field
    smooth = conserved(_interpolated(patch, target, area), patch, target)
    return torch.where(spread_cells(wrong, k), smooth, field)


def _interpolated(patch: Patch, target: TargetSpec, area: Tensor | None) -> Tensor:
    k, ring = patch.factor, patch.halo - REACH
    field = within(interpolate(patch.target, k, target, "bicubic", ring), patch, ring)
    rows = None if area is None else area[:, ring * k : area.shape[1] - ring * k]
    return smooth_correction(field, crop(patch.target, ring), k, target, rows)


def _from_climatology(
    patch: Patch, bands: Tensor, target: TargetSpec, source: SourceSpec, area: Tensor | None
) -> Tensor:
    distance, k = patch.climatology_distance, patch.factor
    if distance is None:
        distance = torch.zeros(bands.shape[:2], device=bands.device)
    if distance.shape[1] > MOST_BANDS or not enough_bands(distance):
        return _seasonal(patch, bands, target, source, distance)
    field = analogue_field(
        patch.target, bands, distance, k, target, patch.halo, area, patch.kept_of_climatology
    )
    if all_finite(field):
        return field
    missing = ~torch.isfinite(field)
    known = torch.isfinite(crop(patch.target, patch.halo))
    wanted = spread_cells(known, k)
    if patch.domain is not None:
        wanted &= crop(patch.domain, patch.halo, k)
    if bool((missing & wanted).any()):
        field = torch.where(missing, _seasonal(patch, bands, target, source, distance), field)
    return field


def _seasonal(
    patch: Patch, bands: Tensor, target: TargetSpec, source: SourceSpec, distance: Tensor
) -> Tensor:
    mean = weighted_mean(bands, season_weights(distance, source.kernel_months))
    return disaggregate(patch, mean, target, "bicubic")
