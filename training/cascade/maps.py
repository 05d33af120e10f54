"""Maps of a cascade's coldest and warmest date: coarse field, a simple method, the cascade, its detail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from training.cascade.detail import detail
from training.data.archive import Archive
from training.figures.figure_file import save

BESIDE = ("lapserate-conservative", "elevationregression-conservative")  # the first that there is


def draw(
    path: Path,
    given: Archive,
    times: Sequence[int],
    fields: Mapping[str, Sequence[np.ndarray]],
    titles: Mapping[str, str],
    elevation: np.ndarray,
) -> None:
    """Draw the dates with the lowest and the highest mean, where the elevation is known.

    Args:
        path: the PNG.
        given: the data set.
        times: of the fields.
        fields: method → a field for each time; the cascade last.
        titles: of the methods.
        elevation: (H, W) metres, NaN where unknown.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    model = list(fields)[-1]
    beside = next((name for name in BESIDE if name in fields), next(iter(fields)))
    known, k = np.isfinite(elevation), given.factor
    level = [float(np.nanmean(given.coarse[time])) for time in times]
    west, north = given.transform * (0, 0)
    east, south = given.transform * (given.shape[1], given.shape[0])
    kept = {"extent": (west / 1e3, east / 1e3, south / 1e3, north / 1e3), "interpolation": "nearest"}
    figure, axes = pyplot.subplots(2, 5, figsize=(17, 9.6), layout="constrained")
    above = detail(elevation, k)
    for row, index in enumerate((int(np.argmin(level)), int(np.argmax(level)))):
        time = times[index]
        coarse = given.coarse[time].repeat(k, 0).repeat(k, 1)
        shown = [(f"Coarse, {given.dates[time]}", coarse)]
        for name, title in ((beside, titles[beside]), (model, f"Cascade, ×{k}")):
            shown.append((title, np.where(known, fields[name][index], np.nan)))
        low, high = (float(f([f(v) for _, v in shown])) for f in (np.nanmin, np.nanmax))
        for axis, (title, values) in zip(axes[row], shown, strict=False):
            image = axis.imshow(values, vmin=low, vmax=high, cmap="RdYlBu_r", **kept)
            axis.set_title(title, fontsize=9)
        figure.colorbar(image, ax=axes[row, :3], shrink=0.7, pad=0.01, label=f"{given.units}")
        own = detail(np.where(known, fields[model][index], np.nan), k)
        most = float(np.nanpercentile(np.abs(own), 99.5)) or 1.0
        image = axes[row, 3].imshow(own, vmin=-most, vmax=most, cmap="RdBu_r", **kept)
        axes[row, 3].set_title("Cascade less its coarse means, interpolated", fontsize=9)
        figure.colorbar(image, ax=axes[row, 3], shrink=0.7, label=given.units)
    image = axes[0, 4].imshow(elevation, cmap="terrain", **kept)
    axes[0, 4].set_title("Elevation", fontsize=9)
    figure.colorbar(image, ax=axes[0, 4], shrink=0.7, label="m")
    own = np.stack([detail(np.where(known, field, np.nan), k) for field in fields[model]])
    x, y = np.broadcast_to(above, own.shape)[:, known].ravel(), own[:, known].ravel()
    slope = float((x.astype(np.float64) * y).sum() / (x.astype(np.float64) ** 2).sum())
    axes[1, 4].hexbin(x, y, gridsize=60, bins="log", cmap="Greys", mincnt=1)
    ends = np.array([x.min(), x.max()])
    axes[1, 4].plot(ends, slope * ends, "r", lw=1)
    axes[1, 4].set_title(f"Detail, {len(times)} dates: {1000 * slope:.1f} {given.units} per km", fontsize=9)
    axes[1, 4].set_xlabel("elevation above its interpolated coarse means (m)", fontsize=8)
    axes[1, 4].set_ylabel(given.units, fontsize=8)
    for axis in axes.flat[:-1]:
        axis.tick_params(labelsize=7)
    save(figure, path, 110)
