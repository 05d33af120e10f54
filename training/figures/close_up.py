"""A close-up of a result: coarse field, a simple method, the model and the truth side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.data.archive import Archive
from training.figures.figure_file import save

WIDTH = 11.0  # inches
PARTS = 2  # panels in a row


def draw_close_up(
    path: Path,
    archive: Archive,
    time: int,
    box: tuple[float, float, float, float],
    fields: Sequence[tuple[str, np.ndarray]],
) -> None:
    """Draw part of one time as a PNG, all panels on one colour scale.

    Args:
        path: the PNG.
        archive: with coarse field and truth.
        time: its index.
        box: west, south, east, north in the archive's CRS, on edges of coarse cells.
        fields: title and fine field, (H, W), of each method, drawn between coarse field and truth.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.colors import PowerNorm

    west, south, east, north = box
    k = archive.factor
    left, top = (round(v) for v in ~archive.fine_transform * (west, north))
    right, bottom = (round(v) for v in ~archive.fine_transform * (east, south))
    coarse = archive.coarse[time].repeat(k, 0).repeat(k, 1)
    date = archive.dates[time]
    when = f"month {date[2:]}" if date.startswith("--") else date
    panels = [
        (f"Input: {archive.target_title.lower()}, {when}", coarse),
        *fields,
        (f"Truth, {k} × finer", archive.fine[time]),
    ]
    cut = [(title, field[top:bottom, left:right]) for title, field in panels]
    low, high = np.nanpercentile(cut[-1][1], [0, 99.8])
    norm = PowerNorm(0.7, low, high)
    rows = -(-len(cut) // PARTS)
    height = WIDTH / PARTS * (north - south) / (east - west) + 0.3
    figure, axes = pyplot.subplots(
        rows, PARTS, figsize=(WIDTH, height * rows + 0.8), layout="constrained", squeeze=False
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (title, field) in zip(axes.flat, cut, strict=False):
        image = axis.imshow(field, norm=norm, cmap="YlGnBu", extent=(west, east, south, north))
        axis.set_title(title, fontsize=10)
    label = f"{archive.target_title} ({archive.units})"
    figure.colorbar(image, ax=axes, location="bottom", shrink=0.5, aspect=50, extend="max", label=label)
    save(figure, path, 110)
