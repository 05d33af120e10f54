"""Interpolation from coarse to fine cells by an integer factor, aligned at cell edges.

A fine cell's centre lies at (p + ½)/k − ½ coarse cells from the centre of the coarse cell that
holds it, p = 0 … k − 1, so the weights depend on p alone. They are applied one tap at a time,
rows last: every result is the same to the last bit wherever a tile begins.

Cells without data are filled from their neighbours first, so that they never weigh in, and the
data are continued flatly beyond their edge.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.fields.missing import all_finite
from engine.fields.windows import strip

RADIUS = {"bilinear": 1, "bicubic": 2}  # taps on each side
# Coarse cells of context: the taps, and as many again to fill cells without data under them.
HALO = {kernel: 2 * radius for kernel, radius in RADIUS.items()}
CUBIC = -0.75  # Keys's parameter a, as in PyTorch
_PIECE = 2**17  # fine cells at a time


@torch.no_grad()
def upsample(coarse: Tensor, factor: int, kernel: str, crop: int = 0) -> Tensor:
    """Interpolate to cells `factor` times smaller; no gradient is kept.

    Args:
        coarse: (B, H, W); NaN and infinities are cells without data.
        factor: k.
        kernel: "bilinear" or "bicubic".
        crop: coarse cells to leave out on each side of the result.

    Returns:
        (B, (H − 2·crop)·k, (W − 2·crop)·k), float32. It is finite wherever a cell with data lies
        within the kernel's radius; the caller masks what must be NaN.
    """
    radius = RADIUS[kernel]
    columns, weights = _columns(coarse, factor, kernel, crop)
    return _rows(columns, weights, factor, radius)


@torch.no_grad()
def upsampled_mixture(
    weights: Tensor, fields: Tensor, factor: int, space: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return Σ_m w_m·f(x_m), the weights interpolated bilinearly; no gradient is kept.

    A fine row's weights are a mean of two coarse rows'. So the sums are taken for each of the two first, with
    two multiplications for a cell of a band, and their mean is taken once.

    Args:
        weights: (B, M, h + 2, w + 2), finite: coarse cells.
        fields: (B, M, h·k, w·k), x.
        factor: k.
        space: f, called with a strip of (B, rows, k, w·k) of one band.

    Returns:
        (B, h·k, w·k) float32, NaN where a band is.
    """
    columns, taps = _columns(weights.flatten(0, 1), factor, "bilinear", 1)
    columns = columns.unflatten(0, weights.shape[:2])
    batch, count, height, width = weights.shape[0], weights.shape[1], weights.shape[2] - 2, columns.shape[-1]
    rows = fields.unflatten(-2, (-1, factor))
    result = columns.new_empty(batch, height, factor, width)
    step = strip(height, batch * factor * width, _PIECE, columns.device)
    for start in range(0, height, step):  # strips that stay in the cache
        stop = min(start + step, height)
        sums = columns.new_zeros(2, batch, stop - start, factor, width)
        for band in range(count):
            values = space(rows[:, band, start:stop])
            for low, high, first in _halves(factor):
                part = values[:, :, low:high]
                for tap in (0, 1):
                    weight = columns[:, band, start + first + tap : stop + first + tap, None]
                    sums[tap, :, :, low:high].addcmul_(weight, part)
        for low, high, first in _halves(factor):
            upper, lower = sums[:, :, :, low:high]
            upper *= taps[first, low:high, None]
            torch.addcmul(upper, lower, taps[first + 1, low:high, None], out=result[:, start:stop, low:high])
    return result.flatten(1, 2)


def _columns(coarse: Tensor, factor: int, kernel: str, crop: int) -> tuple[Tensor, Tensor]:
    """Enlarge along columns: (B, H, W) to (B, h + 2·radius, w·k), less `crop`; and the taps' weights."""
    radius = RADIUS[kernel]
    filled = fill(coarse.float(), radius)
    if crop < radius:
        pad = radius - crop
        filled = F.pad(filled.unsqueeze(1), (pad,) * 4, mode="replicate").squeeze(1)
    elif crop > radius:
        cut = crop - radius
        filled = filled[:, cut:-cut, cut:-cut]
    weights = torch.tensor(_weights(factor, kernel), dtype=torch.float32, device=coarse.device)
    width = filled.shape[-1] - 2 * radius
    # Columns while rows are still coarse, which is cheap; then rows, whole rows at a time.
    columns = functools.reduce(
        torch.add, [filled[..., t : t + width, None] * w for t, w in enumerate(weights)]
    ).flatten(-2)
    return columns, weights


def _halves(factor: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return the fine rows of each half of a coarse cell, and its first tap: each sees one tap less."""
    return (0, (factor + 1) // 2, 0), ((factor + 1) // 2, factor, 1)


def _rows(columns: Tensor, weights: Tensor, factor: int, radius: int) -> Tensor:
    """Enlarge along rows: (B, h + 2·radius, W) to (B, h·k, W), in pieces that stay in the cache."""
    batch, height, width = columns.shape[0], columns.shape[1] - 2 * radius, columns.shape[2]
    result = columns.new_empty(batch, height, factor, width)
    step = max(1, _PIECE // (batch * factor * width))
    scratch = columns.new_empty(batch, step, (factor + 1) // 2, width)
    for start in range(0, height, step):
        stop = min(start + step, height)
        for low, high, first in _halves(factor):
            part, spare = result[:, start:stop, low:high], scratch[:, : stop - start, : high - low]
            for tap in range(first, first + 2 * radius):
                source, weight = columns[:, start + tap : stop + tap, None], weights[tap, low:high, None]
                if tap == first:
                    torch.mul(source, weight, out=part)
                else:
                    part += torch.mul(source, weight, out=spare)
    return result.flatten(1, 2)


def fill(coarse: Tensor, steps: int) -> Tensor:
    """Fill cells without data up to `steps` cells away from data; farther ones become zero.

    A cell takes the mean of its valid neighbours at its sides, or else of those at its corners.

    Args:
        coarse: (B, H, W).
        steps: reach in cells.
    """
    if all_finite(coarse):
        return coarse
    valid = torch.isfinite(coarse)
    values = torch.where(valid, coarse, torch.zeros_like(coarse))
    for _ in range(steps):
        sides, corners = _neighbours(values), _neighbours(valid.to(values.dtype))
        (side_sum, corner_sum), (side_count, corner_count) = sides, corners
        by_side = side_sum / side_count.clamp_min(1)
        by_corner = corner_sum / corner_count.clamp_min(1)
        filled = torch.where(side_count > 0, by_side, by_corner)
        values = torch.where(valid, values, filled)
        valid = valid | (side_count + corner_count > 0)
    return values


def _neighbours(field: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sums over the four cells at each cell's sides and the four at its corners."""
    height, width = field.shape[-2:]
    padded = F.pad(field, (1, 1, 1, 1))

    def shifted(row: int, column: int) -> Tensor:
        return padded[..., 1 + row : 1 + row + height, 1 + column : 1 + column + width]

    sides = shifted(-1, 0) + shifted(1, 0) + (shifted(0, -1) + shifted(0, 1))
    corners = shifted(-1, -1) + shifted(1, 1) + (shifted(-1, 1) + shifted(1, -1))
    return sides, corners


@functools.lru_cache(maxsize=64)
def _weights(factor: int, kernel: str) -> list[list[float]]:
    """Return the weight of each tap (outer) for each fine cell of a coarse one (inner)."""
    radius = RADIUS[kernel]
    shape = {"bilinear": _triangle, "bicubic": _keys}[kernel]
    offsets = [(p + 0.5) / factor - 0.5 for p in range(factor)]
    return [[shape(abs(tap - offset)) for offset in offsets] for tap in range(-radius, radius + 1)]


def _triangle(distance: float) -> float:
    return max(0.0, 1.0 - distance)


def _keys(distance: float) -> float:
    """Cubic convolution kernel (Keys 1981, IEEE Trans. ASSP 29)."""
    d, a = distance, CUBIC
    if d <= 1:
        return ((a + 2) * d - (a + 3)) * d * d + 1
    return ((d - 5) * d + 8) * a * d - 4 * a if d < 2 else 0.0
