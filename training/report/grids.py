"""Rows of maps that share a colour scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from training.html.style import WIDTH

TITLE = 0.2  # inches, a line
BAR = 0.55
SIDE = 0.07  # of the width, for bars at the side
MISSING = "#dcdcdc"
BESIDE: dict[str, Any] = {"location": "right", "shrink": 0.95, "aspect": 16, "pad": 0.01, "fraction": 0.05}


class ColourScale(NamedTuple):
    """A colour scale that several maps share, and what its numbers are."""

    norm: Any
    colours: str
    label: str
    extend: str = "neither"


class Panel(NamedTuple):
    """One map: its title, its cells, and its scale."""

    title: str
    values: np.ndarray
    scale: ColourScale


def value_scale(truth: Sequence[np.ndarray], label: str) -> ColourScale:
    """Return the scale of a target: 0.1 and 99.8 percentiles of the truth, root spacing from zero on.

    Args:
        truth: fields that it must fit.
        label: the target with its units.
    """
    from matplotlib.colors import Normalize, PowerNorm

    known = np.concatenate([t[np.isfinite(t)].ravel() for t in truth])
    low, high = (float(v) for v in np.percentile(known, [0.1, 99.8])) if known.size else (0.0, 1.0)
    if high <= low:
        high = low + 1.0
    if low >= 0 and low < 0.2 * high:  # an amount
        return ColourScale(PowerNorm(0.5, 0.0, high), "YlGnBu", label, "max")
    return ColourScale(Normalize(low, high), "viridis", label, "both")


def error_scale(errors: Sequence[np.ndarray], label: str) -> ColourScale:
    """Return a scale that is even about zero: blue for too much, red for too little."""
    from matplotlib.colors import Normalize

    limits = [float(np.nanpercentile(np.abs(e), 99)) for e in errors if np.isfinite(e).any()]
    limit = max(limits, default=1.0) or 1.0
    return ColourScale(Normalize(-limit, limit), "RdBu", label, "both")


def columns_for(shape: tuple[int, ...], count: int) -> int:
    """Return how many maps of a shape stand side by side."""
    ratio = shape[1] / shape[0]
    wanted = 1 if ratio > 4.5 else 2 if ratio > 1.6 else 3 if ratio > 0.7 else 4
    return min(wanted, count)


def draw_panels(
    pyplot: Any,
    rows: Sequence[Sequence[Panel | None]],
    extent: tuple[float, float, float, float] | None = None,
    width: float = WIDTH,
) -> tuple[Any, np.ndarray]:
    """Draw maps of one shape in rows, with one colour bar for each scale.

    Args:
        pyplot: matplotlib's.
        rows: of one length; None leaves a place empty.
        extent: west, east, south, north, for ticks; None: no ticks.
        width: of the figure, inches.

    Returns:
        The figure and its axes, (rows, columns).
    """
    down, across = len(rows), max(len(row) for row in rows)
    first = next(p for row in rows for p in row if p is not None)
    ratio = first.values.shape[0] / first.values.shape[1]
    if extent is not None:
        ratio = abs(extent[3] - extent[2]) / abs(extent[1] - extent[0])
    height = (width - 0.1 * across) / across * ratio
    scales = list(dict.fromkeys(p.scale for row in rows for p in row if p is not None))
    beside = across > 2 and len(scales) > 1
    if beside:  # bars stand to the right
        height *= 1 - SIDE
    lines = sum(max(p.title.count("\n") + 1 for p in row if p is not None) for row in rows)
    bars = 0 if beside else 1 if len(scales) == 1 or down == 1 else len(scales)
    size = (width, down * height + TITLE * lines + BAR * bars + 0.05)
    figure, axes = pyplot.subplots(down, across, figsize=size, squeeze=False)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.02, wspace=0.01, hspace=0.01)
    images: dict[ColourScale, tuple[Any, list[Any]]] = {}
    for axis in axes.flat:
        axis.set_axis_off()
    for line, row in zip(axes, rows):
        for axis, panel in zip(line, row):
            if panel is None:
                continue
            axis.set_axis_on()
            axis.set_xticks([])
            axis.set_yticks([])
            for spine in axis.spines.values():
                spine.set(visible=True, linewidth=0.5)
            import matplotlib

            image = axis.imshow(
                panel.values,
                norm=panel.scale.norm,
                cmap=matplotlib.colormaps[panel.scale.colours].with_extremes(bad=MISSING),
                extent=extent,
                aspect="equal",
                interpolation="antialiased",
            )
            axis.set_title(panel.title, fontsize=8.5, pad=3, loc="left")
            images.setdefault(panel.scale, (image, []))[1].append(axis)
    for number, (scale, (image, below)) in enumerate(images.items()):
        told = {"label": scale.label, "extend": scale.extend}
        # At the side each bar stands beside a row of its own.
        ax = list(axes[number % down]) if beside else below
        figure.colorbar(image, ax=ax, **told, **(BESIDE if beside else _below(across)))
    return figure, axes


def _below(across: int) -> dict[str, Any]:
    """Return where a bar below its maps stands."""
    return {"location": "bottom", "shrink": 0.6 if across > 1 else 0.5, "aspect": 45, "pad": 0.012}
