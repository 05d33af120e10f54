"""Local regression of the coarse target on elevation, carried over to the fine grid.

Temperature falls and rain grows with height, at rates that change from place to place. As in PRISM
(Daly, Neilson & Phillips 1994, J. Appl. Meteorol. 33) the relation is fitted anew around each cell;
as in geographically weighted regression (Brunsdon, Fotheringham & Charlton 1996, Geogr. Anal. 28)
near cells weigh more. Its use is that of MicroMet (Liston & Elder 2006, J. Hydrometeorol. 7): take
values to a common level, interpolate, bring them to the height of the ground.

With X the target in the working space, Z the coarse mean of the elevation z, K the kernel over the
neighbours n within `WINDOW` cells and (i, j) their row and column, each cell has the slope b of

    minimise Σ K(n) (X(n) − a − p·i(n) − q·j(n) − b·Z(n))² + λ b² Σ K(n).

The plane p, q keeps a gradient from south to north from passing for one with height; the ridge λ
draws the slope to zero where the ground is flat or data are few. The slope is then weighted by the
share of the variance beside the plane that it explains (its partial R²), since on fine ground it
reaches far beyond the heights that it was fitted on; and it fades out where so few cells are valid
that the four terms fit them by themselves. The fine field is ↑A + ↑(X − A) + ↑b (z − ↑Z),
A being the fit at the cell, X − A its residual and ↑ the bicubic interpolation. Fit and residual add
up to X, so without slope the interpolated field is left.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from engine.compute.exact import exact_device
from engine.fields.conservation import aggregate
from engine.fields.neighbourhood import weighted_sum
from engine.fields.upsample import HALO as TAPS_HALO
from engine.fields.upsample import RADIUS, upsample
from engine.fields.windows import crop

KERNEL = (1 / 64, 6 / 64, 15 / 64, 20 / 64, 15 / 64, 6 / 64, 1 / 64)  # K along rows and columns
EQUAL = (1 / 7,) * 7  # the same, of a plain moving window
WINDOW = 3  # reach of KERNEL
HALO = max(TAPS_HALO["bicubic"], WINDOW + RADIUS["bicubic"])  # coarse cells of context
RELIEF = 50.0  # metres, √λ: less relief than this between coarse cells tells little of a slope
FEW, ENOUGH = 4.0, 7.0  # effective number of valid cells, (Σ K)² / Σ K²: no slope, and all of it
_PAIRS = tuple(itertools.combinations_with_replacement(range(4), 2))  # of row, column, Z and X
_LINE = 1e-6  # cells²; keeps the plane finite where the valid cells lie in a line
_TINY = 1e-30


def slopes(values: Tensor, elevation: Tensor, kernel: tuple[float, ...] = KERNEL) -> Tensor:
    """Return the local slope b of the values over elevation.

    Args:
        values: (B, H, W) coarse target in the working space, NaN where invalid.
        elevation: (B, H, W) coarse, in metres, likewise.
        kernel: K along rows and columns, as long as `KERNEL`.

    Returns:
        (B, H, W) float32, finite, zero where there is nothing to fit; per metre. Exact at `WINDOW`
        cells from the border.
    """
    home = values.device
    place = exact_device(home)
    values, elevation = values.to(place), elevation.to(place)
    valid = torch.isfinite(values) & torch.isfinite(elevation)
    # Doubles, since the sums are small differences of large numbers on a plateau.
    z, x = (torch.where(valid, field, 0.0).double() for field in (elevation, values))
    count = valid.double()
    i, j = (torch.arange(size, device=x.device).double() for size in x.shape[-2:])
    fields = (count * i[:, None], count * j, z, x)
    products = [fields[a] * fields[b] for a, b in _PAIRS]
    sums = weighted_sum(torch.stack([count, *fields, *products], 1), kernel)
    means = sums[:, 1:] / sums[:, :1].clamp_min(_TINY)
    first, second = means[:, : len(fields)], means[:, len(fields) :]
    v = {(a, b): second[:, n] - first[:, a] * first[:, b] for n, (a, b) in enumerate(_PAIRS)}
    for out in (0, 1):  # what row and column explain goes out of both sides (Frisch & Waugh 1933)
        for a, b in _PAIRS:
            if a > out:
                v[a, b] = v[a, b] - v[out, a] * v[out, b] / (v[out, out] + _LINE)
    relief, joint, spread = v[2, 2].clamp_min(0), v[2, 3], v[3, 3]
    slope = joint / (relief + RELIEF**2)
    explained = slope**2 * relief
    rest = (spread - 2 * slope * joint + explained).clamp_min(0)
    squares = weighted_sum(count[:, None], tuple(weight**2 for weight in kernel))[:, 0]
    cells = sums[:, 0] ** 2 / squares.clamp_min(_TINY)
    trust = ((cells - FEW) / (ENOUGH - FEW)).clamp(0, 1)
    return (trust * slope * explained / (explained + rest).clamp_min(_TINY)).float().to(home)


@torch.no_grad()
def regressed(
    values: Tensor,
    elevation: Tensor,
    factor: int,
    halo: int,
    area: Tensor | None = None,
    kernel: tuple[float, ...] = KERNEL,
) -> Tensor:
    """Return the fine field that the local regressions on elevation and their residuals give.

    Where the elevation is invalid the result is the interpolated field.

    Args:
        values: (B, H, W) coarse target in the working space, NaN where invalid.
        elevation: (B, H·k, W·k) in metres, likewise.
        factor: k.
        halo: coarse cells to leave out on each side; at least `HALO`.
        area: (B, H·k) relative area of each row's fine cells; None: they count the same.
        kernel: see `slopes`.

    Returns:
        (B, (H − 2·halo)·k, (W − 2·halo)·k) float32, finite wherever a valid coarse cell is near.
    """
    mean = aggregate(elevation, factor, area)
    slope = upsample(crop(slopes(values, mean, kernel), WINDOW), factor, "bicubic", halo - WINDOW)
    return upsample(values, factor, "bicubic", halo).add_(slope.mul_(above(elevation, mean, factor, halo)))


def above(elevation: Tensor, mean: Tensor, factor: int, halo: int) -> Tensor:
    """Return how far the ground lies above its own interpolated mean, zero where it is invalid.

    Args:
        elevation: (B, H·k, W·k).
        mean: (B, H, W) its aggregate.
        factor: k.
        halo: coarse cells to leave out on each side.
    """
    height = crop(elevation, halo, factor) - upsample(mean, factor, "bicubic", halo)
    return torch.where(torch.isfinite(height), height, torch.zeros_like(height))
