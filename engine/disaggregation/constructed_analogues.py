"""Constructed analogues: disaggregation by a local regression on the climatology's bands.

The idea of Hidalgo, Dettinger & Cayan 2008 (CEC-500-2007-123) and of LOCA (Pierce et al. 2014,
J. Hydrometeorol. 15), with months in place of days: around each coarse cell, find the weights of
the bands whose coarse means best make up the coarse target, then apply them to the fine bands.

With X the target and C_m the bands' coarse means in transformed space, a prime for the departure
from the mean over 3 × 3 coarse cells, and w⁰ the seasonal weights, each cell solves

    minimise Σ_n K(n) (X'(n) − Σ_m w_m C'_m(n))² + λ Σ_m (w_m − w⁰_m)²

over the neighbours n within `WINDOW` cells. The ridge λ grows with the bands' variance there.
The fine field is Σ_m w_m c_m plus what the 3 × 3 means leave over, weights and rest interpolated
bilinearly. A ratio (for signed targets a difference), interpolated bicubically, then brings it near
the coarse means. For a non-negative target the space is √(x / scale + 4), else x itself.

Every sum runs over a fixed neighbourhood on the coarse grid, so a tile with `HALO` coarse cells of
context gives what the whole field gives.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from engine.disaggregation.smooth_correction import OFFSET, REACH, smooth_correction
from engine.fields.conservation import aggregate, clipped
from engine.fields.kept import KeptForDates
from engine.fields.neighbourhood import weighted_sum
from engine.fields.upsample import upsample, upsampled_mixture
from engine.fields.windows import crop
from engine.specs import TargetSpec

KERNEL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)  # K along rows and columns
CENTRE = (1 / 4, 2 / 4, 1 / 4)  # of the local mean
WINDOW = 2  # reach of KERNEL
FITTED = 1 + WINDOW  # coarse cells from a cell to the farthest that its weights look at
HALO = FITTED + 1 + REACH  # and the taps of the bilinear and of the bicubic interpolation
SHARE = 0.05  # ridge, as a share of the bands' mean local variance
FLOOR = 0.03  # least ridge where the space is a square root
SIGNED_FLOOR = 0.05  # its root for signed targets, in standard deviations of the target
MEMORY_MONTHS = 1.0  # w⁰ falls with the distance in time as exp(−distance / memory)
LEAST_BANDS = 3  # fewer leave nothing to fit


def enough_bands(distance: Tensor) -> bool:
    """Say whether every sample of (B, M) has enough bands that are not withheld (infinite)."""
    return bool((torch.isfinite(distance).sum(-1, dtype=torch.int32) >= LEAST_BANDS).all())


@torch.no_grad()
def analogue_field(
    coarse: Tensor,
    bands: Tensor,
    distance: Tensor,
    factor: int,
    target: TargetSpec,
    halo: int,
    area: Tensor | None = None,
    kept: KeptForDates | None = None,
) -> Tensor:
    """Return the field that the locally fitted mixture of bands gives, before conservation.

    Args:
        coarse: (B, H, W) target in its units, NaN where invalid.
        bands: (B, M, H·k, W·k) climatology in the same units, NaN where invalid.
        distance: (B, M) months to the date; infinite: the band is withheld.
        factor: k.
        target: its rule, scale and bounds.
        halo: coarse cells to leave out on each side; at least `HALO`.
        area: (B, H·k) relative area of each row's fine cells; None: they count the same.
        kept: holds the bands' coarse means from the first date on.

    Returns:
        (B, (H − 2·halo)·k, (W − 2·halo)·k) float32 within the bounds. NaN where the coarse cell or
        a band in use is invalid.
    """
    in_use = torch.isfinite(distance).any(0)
    if not bool(in_use.all()):
        bands, distance = bands[:, in_use], distance[:, in_use]
    cut = halo - HALO
    coarse, bands = crop(coarse, cut), crop(bands, cut, factor)
    area = None if area is None else area[..., cut * factor : area.shape[-1] - cut * factor]

    def band_means() -> Tensor:
        return torch.stack([aggregate(band, factor, area) for band in bands.unbind(1)], 1)

    means = band_means() if kept is None else kept.made_with(("means", bands.shape), in_use, band_means)
    weights, rest = fit(_to_space(coarse, target), _to_space(means, target), distance, target)

    # From here on one cell beyond what the bicubic ratio still needs is gone.
    weights, rest = crop(weights, FITTED), crop(rest, FITTED)
    inner, margin = crop(bands, FITTED + 1, factor), (FITTED + 1) * factor
    withheld = torch.isinf(distance)
    if bool(withheld.any()):  # its weight is zero, but zero times NaN is not
        inner = inner.masked_fill(withheld[..., None, None], 0.0)
    field = upsampled_mixture(weights, inner, factor, partial(_to_space, target=target))
    field += upsample(rest, factor, "bilinear", 1)
    field = _from_space(field, target)
    area = None if area is None else area[..., margin : area.shape[-1] - margin]
    field = smooth_correction(field, crop(coarse, FITTED + 1), factor, target, area)
    field = clipped(field, target)
    known = torch.isfinite(crop(coarse, HALO)).repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    return field if bool(known.all()) else field.masked_fill_(~known, torch.nan)


def fit(known: Tensor, means: Tensor, distance: Tensor, target: TargetSpec) -> tuple[Tensor, Tensor]:
    """Fit the bands' weights around each coarse cell.

    Args:
        known: (B, H, W) coarse target in the working space, NaN where invalid.
        means: (B, M, H, W) the bands' coarse means, likewise.
        distance: (B, M) months; infinite: the band is withheld.
        target: for the least ridge.

    Returns:
        Weights (B, M, H, W), zero for bands withheld, and the rest (B, H, W): the local mean of the
        target less that of the mixture. Exact at `FITTED` cells from the border.
    """
    used = torch.isfinite(distance)[..., None, None]
    # Weights of the season alone where there is nothing to fit.
    prior = torch.softmax(-distance / MEMORY_MONTHS, -1)[..., None, None]
    means = torch.where(used, means, torch.zeros_like(means))
    valid = (torch.isfinite(known) & torch.isfinite(means).all(1)).float()[:, None]
    fields = torch.cat([known[:, None], means], 1)
    fields = torch.where(valid > 0, fields, torch.zeros_like(fields))
    share = weighted_sum(valid, CENTRE)
    local = weighted_sum(fields, CENTRE) / share.clamp_min(1e-6)
    departure = (fields - local) * valid
    x, c = departure[:, :1], departure[:, 1:]
    residual = x - (prior * c).sum(1, keepdim=True)

    count = means.shape[1]
    weight = weighted_sum(valid, KERNEL).clamp_min(1e-6)
    pairs = [c[:, band : band + 1] * c[:, band:] for band in range(count)]
    products = weighted_sum(torch.cat([*pairs, c * residual], 1), KERNEL) / weight
    upper = list(products[:, :-count].split(tuple(range(count, 0, -1)), 1))
    variance = sum(row[:, 0] for row in upper) / used.sum(1, dtype=torch.int32).clamp_min(1)
    least = FLOOR if target.nonnegative else (SIGNED_FLOOR * target.std) ** 2
    for row in upper:
        row[:, 0] += SHARE * variance + least
    change = _solved(upper, products[:, -count:])
    weights = prior + change
    return weights, local[:, 0] - (weights * local[:, 1:]).sum(1)


def _solved(upper: list[Tensor], right: Tensor) -> Tensor:
    """Solve a symmetric positive definite system in each cell, all cells at once; destroys its input.

    Args:
        upper: the matrix's rows from the diagonal on, (B, M − i, H, W) for row i.
        right: (B, M, H, W).
    """
    count = len(upper)
    for row in range(count - 1):
        scaled = upper[row] / upper[row][:, :1]
        for below in range(1, count - row):
            share = scaled[:, below : below + 1]
            upper[row + below].addcmul_(share, upper[row][:, below:], value=-1)
        right[:, row + 1 :].addcmul_(scaled[:, 1:], right[:, row : row + 1], value=-1)
    result = torch.empty_like(right)
    for row in range(count - 1, -1, -1):
        known = (upper[row][:, 1:] * result[:, row + 1 :]).sum(1)
        result[:, row] = (right[:, row] - known) / upper[row][:, 0]
    return result


def _to_space(values: Tensor, target: TargetSpec) -> Tensor:
    if not target.nonnegative:
        return values.float()
    values = values.float().clamp_min(0)
    if target.scale != 1:
        values.div_(target.scale)
    return values.add_(OFFSET).sqrt_()


def _from_space(values: Tensor, target: TargetSpec) -> Tensor:
    if not target.nonnegative:
        return values
    return values.clamp_min_(0).square_().sub_(OFFSET).clamp_min_(0).mul_(target.scale)
