"""Pictures to judge a nature run by: landscape, snow in winter and spring, its course by elevation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from training.figures.figure_file import save
from training.simulation.parameters import Parameters
from training.simulation.run import Simulation

BANDS = (500, 1000, 1500, 2000, 2500, 3000)  # metres, edges of elevation bands
MAPS = ((1, 15), (4, 15), (6, 1))  # month and day of the maps


class Cycle:
    """Gathers, day by day, what the pictures show.

    Args:
        run: the nature run.
    """

    def __init__(self, run: Simulation) -> None:
        self.bands = np.digitize(run.surface.height.numpy(), BANDS).ravel()
        self.cells = np.bincount(self.bands, minlength=len(BANDS) + 1)
        self.dates: list[Any] = []
        self.water: list[np.ndarray] = []  # mm, mean of each band
        self.highest: list[float] = []  # m, 99.9th percentile of the depth
        self.maps: dict[str, np.ndarray] = {}

    def watch(self, days: Iterable[Any]) -> Iterator[Any]:
        """Pass the days of a run on, and look at those that are kept."""
        for date, kept in days:
            if kept is not None:
                self.dates.append(date)
                total = np.bincount(self.bands, kept.water.ravel(), len(self.cells))
                self.water.append(total / np.maximum(self.cells, 1))
                self.highest.append(float(np.quantile(kept.depth, 0.999)))
                if (date.month, date.day) in MAPS and len(self.maps) < len(MAPS):
                    self.maps[date.isoformat()] = kept.depth
            yield date, kept


def write_pictures(path: Path, run: Simulation, cycle: Cycle, parameters: Parameters) -> None:
    """Write one PNG: landscape, vegetation, snow on chosen days, its course over the years.

    Args:
        path: where.
        run, cycle, parameters: the nature run, and what was gathered.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import colors, pyplot

    height, cell = run.surface.height.numpy(), parameters.grid.cell
    fields = [("NDVI", run.plants.ndvi, "YlGn", 0.9)]
    fields += [(f"snow depth, m, {date}", depth, "viridis", 3.0) for date, depth in cycle.maps.items()]
    wide = 16 * height.shape[0] / height.shape[1]
    figure, axes = pyplot.subplots(
        len(fields) + 2, 1, figsize=(16, (wide + 0.4) * (len(fields) + 1) + 5), layout="constrained"
    )
    light = colors.LightSource(315, 45)
    shaded = light.shade(height, pyplot.cm.terrain, dx=cell, dy=cell, blend_mode="soft", vmin=0, vmax=4000)
    axes[0].imshow(shaded)
    axes[0].set_title(f"{parameters.title}: elevation, {height.min():.0f} to {height.max():.0f} m")
    for axis, (title, values, palette, top) in zip(axes[1:], fields):
        figure.colorbar(axis.imshow(values, cmap=palette, vmin=0, vmax=top), ax=axis)
        axis.set_title(title)
    for axis in axes[:-1]:
        axis.set_xticks([])
        axis.set_yticks([])
    edges = ["", *(str(b) for b in BANDS), ""]
    water = np.array(cycle.water)
    for band, count in enumerate(cycle.cells):
        if count:
            axes[-1].plot(cycle.dates, water[:, band], label=f"{edges[band]}–{edges[band + 1]} m")
    axes[-1].set_title("snow water equivalent, mm, mean by elevation")
    axes[-1].legend()
    save(figure, path, 80)
