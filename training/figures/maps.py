"""Maps of coarse field, truth, each method and its errors, on common colour scales, as one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.data.archive import Archive
from training.data.region import Region
from training.evaluation.scores import Score
from training.figures.figure_file import save


def draw(
    path: Path, archive: Archive, region: Region, scores: Sequence[Score], time: int | None = None
) -> None:
    """Draw one time: coarse and truth above; below, a row for each method, field and error.

    Fields share one scale (the truth's 0–99.5 percentiles, square root spacing for non-negative
    targets), errors another (the 99 percentile of the largest).

    Args:
        path: the PNG.
        archive: with the truth.
        region: where the scores were taken.
        scores: with fields kept.
        time: one of the region's times; its first when absent.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.colors import Normalize, PowerNorm

    index = 0 if time is None else region.times.index(time)
    time = region.times[index]
    k, columns = archive.factor, region.fine_columns(archive.factor)
    truth = archive.fine[time][:, columns]
    coarse = archive.coarse[time][:, region.columns[0] : region.columns[1]]
    fields = [(s.case.title, s.fields[index], s.values) for s in scores if s.fields is not None]
    low, high = np.nanpercentile(truth, [0, 99.5])
    norm = PowerNorm(0.5, low, high) if low >= 0 else Normalize(low, high)
    errors = (float(np.nanpercentile(np.abs(field - truth), 99)) for _, field, _ in fields)
    limit = max(errors, default=1.0) or 1.0
    west, north = archive.transform * (region.columns[0], 0)
    east, south = archive.transform * (region.columns[1], archive.shape[0])
    extent = (west, east, south, north)
    shape = (north - south) / (east - west)
    width = min(5.0, 3.2 / shape)  # of a map, inches
    figure, axes = pyplot.subplots(
        len(fields) + 1,
        2,
        figsize=(2 * width + 0.5, (width * shape + 0.3) * (len(fields) + 1) + 0.9),
        layout="constrained",
        squeeze=False,
    )
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    date = archive.dates[time]
    when = f"month {date[2:]}" if date.startswith("--") else date
    kept = {"extent": extent, "interpolation": "antialiased", "aspect": "equal"}
    image = axes[0, 0].imshow(coarse.repeat(k, 0).repeat(k, 1), norm=norm, cmap="YlGnBu", **kept)
    axes[0, 0].set_title(f"Coarse {archive.target_title.lower()}, {when}", fontsize=9)
    axes[0, 1].imshow(truth, norm=norm, cmap="YlGnBu", **kept)
    axes[0, 1].set_title(f"Truth (×{k})", fontsize=9)
    over = "; over all test times:" if len(region.times) > 1 else ";"
    for row, (title, field, values) in enumerate(fields, start=1):
        axes[row, 0].imshow(field, norm=norm, cmap="YlGnBu", **kept)
        axes[row, 0].set_title(title, fontsize=9)
        error_image = axes[row, 1].imshow(field - truth, vmin=-limit, vmax=limit, cmap="RdBu", **kept)
        told = f"Error{over} RMSE {values['rmse']:.2f}, MAE {values['mae']:.2f}"
        axes[row, 1].set_title(told, fontsize=9)
    bars: dict[str, Any] = {"location": "bottom", "shrink": 0.8, "aspect": 40, "pad": 0.01, "extend": "max"}
    figure.colorbar(image, ax=axes[:, 0], label=f"{archive.target_title} ({archive.units})", **bars)
    if error_image is not None:
        figure.colorbar(
            error_image, ax=axes[:, 1], label=f"Error ({archive.units})", **{**bars, "extend": "both"}
        )
    save(figure, path, 150)
