"""What a run learns from its own field before its steps, and reading that: covariates on its cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from odc.geo.geobox import GeoBox
from torch import Tensor

from engine.dates import When
from engine.feedback import Feedback
from engine.fields.coarse_stack import CoarseStack
from engine.methods.interface import FittedMethod, Method
from engine.pipeline.inputs import InputRasters
from engine.pipeline.one_input import Input
from engine.raster.grids import Grids, origin, refine, relative_area, window
from engine.raster.longitudes import goes_round
from engine.sharpening.plausible import window_to_look_at
from engine.sharpening.wild_values import wild_values
from engine.specs import TargetSpec

if TYPE_CHECKING:
    from engine.pipeline.run_plan import RunPlan

PHASE = "Learning from the coarse field"
MARGIN = 16  # coarse cells around the output that are looked at too
MOST_CELLS = 2_000_000  # over all dates
_CHANNEL_CELLS = 6_000_000  # the same times the covariates' channels, which bounds the memory


def coarse_stack(
    inputs: InputRasters, grids: Grids, spec: TargetSpec, wanted: Sequence[When | None], feedback: Feedback
) -> CoarseStack:
    """Read the coarse field and the covariates that a method is fitted on.

    All dates of few, an even sample of many; of a field too large, its middle. Covariates whose cells are
    no finer than the target's are left out.

    Args:
        inputs: open.
        grids: of the run.
        spec: what the target is.
        wanted: the run's dates.
        feedback: hears of the progress, and says when to stop.
    """
    coarse = inputs.no_finer()
    sources = [source for source in inputs.sources if source.spec.name not in coarse]
    channels = sum(source.spec.channels for source in sources)
    most = min(MOST_CELLS, _CHANNEL_CELLS // max(channels, 1))
    grid = _window(grids, inputs.target.geobox, most)
    dates = _sampled(wanted, max(1, most // (grid.shape[0] * grid.shape[1])))
    fields: list[Tensor] = []
    changing: dict[str, list[Tensor]] = {s.spec.name: [] for s in sources if s.spec.dynamic}
    fixed = {s.spec.name: _averaged(inputs, s, grid, None)[None] for s in sources if not s.spec.dynamic}
    for number, when in enumerate(dates):
        feedback.progress(0.01 + 0.01 * number / len(dates), PHASE)
        feedback.check_cancelled()
        fields.append(inputs.coarse_field(grid, when))
        for source in sources:
            if source.spec.dynamic:
                changing[source.spec.name].append(_averaged(inputs, source, grid, when))
    target = torch.stack(fields)
    covariates = fixed | {name: torch.stack(parts) for name, parts in changing.items()}
    rows, columns = _known(target)
    area = relative_area(grid) if spec.by_area else None
    first = window(grid, rows.start, columns.start, 1, 1)
    return CoarseStack(
        target[:, rows, columns].contiguous(),
        {source.spec.name: covariates[source.spec.name][..., rows, columns] for source in sources},
        tuple(dates),
        origin(first),
        None if area is None else torch.from_numpy(area[rows]),
        {s.spec.name: _in_the_middle(s, grid, grids.factor, dates[len(dates) // 2]) for s in sources},
    )


def _in_the_middle(source: Input, grid: GeoBox, factor: int, when: When | None) -> Tensor:
    """Return a source on the fine cells of a window in the middle, (channels, rows·k, columns·k)."""
    rows, columns = window_to_look_at(grid.shape, factor)
    size = rows.stop - rows.start, columns.stop - columns.start
    middle = window(grid, rows.start, columns.start, *size)
    kind, bands = source.spec.kind, source.bands(when)
    values = source.raster.read(refine(middle, factor), bands, source.resampling, kind, source.spec.classes)
    return torch.from_numpy(values)


def _averaged(inputs: InputRasters, source: Input, grid: GeoBox, when: When | None) -> Tensor:
    """Return a source's means on coarse cells, over the fine ones that count: (channels, rows, columns)."""
    domain = inputs.domain
    if domain is None or domain.raster is None:
        return inputs.averaged(source, grid, when)
    return domain.means(source, grid, inputs.grids.factor, when)


def _window(grids: Grids, target: GeoBox, most: int) -> GeoBox:
    """Return the coarse cells to look at: those of the output with a margin, or the middle of too many."""
    height, width = grids.coarse.shape
    top = bottom = left = right = MARGIN
    if grids.target_cells:  # no farther than the target goes
        place = ~target.affine * grids.coarse.affine
        row, column = round(place.f), round(place.c)
        top, bottom = _within(row), _within(target.shape[0] - row - height)
        left, right = _within(column), _within(target.shape[1] - column - width)
    if goes_round(grids.coarse):  # the margin would be the other edge once more
        left = right = 0
    rows, columns = top + height + bottom, left + width + right
    if rows * columns <= most:
        return window(grids.coarse, -top, -left, rows, columns)
    shrink = (most / (rows * columns)) ** 0.5
    rows, columns = max(1, int(rows * shrink)), max(1, int(columns * shrink))
    return window(grids.coarse, (height - rows) // 2, (width - columns) // 2, rows, columns)


def _within(cells: int) -> int:
    return min(max(cells, 0), MARGIN)


def _sampled(wanted: Sequence[When | None], most: int) -> list[When | None]:
    """Return the dates, or an even sample of so many."""
    distinct = list(dict.fromkeys(wanted))
    if len(distinct) <= most:
        return distinct
    return [distinct[int(i)] for i in np.unique(np.linspace(0, len(distinct) - 1, most).round())]


def _known(target: Tensor) -> tuple[slice, slice]:
    """Return the rows and columns from the first to the last with a value; all where there is none."""
    valid = torch.isfinite(target).any(0)
    spans = []
    for axis in (1, 0):
        places = valid.any(axis).nonzero().flatten()
        spans.append(slice(int(places[0]), int(places[-1]) + 1) if len(places) else slice(0, None))
    return spans[0], spans[1]


def correct(plan: RunPlan, feedback: Feedback) -> list[str]:
    """Let the correction of the target see the run's dates, if there is one; return warnings."""
    correction = plan.inputs.correction
    if correction is None:
        return []

    def tell(share: float) -> None:
        feedback.check_cancelled()
        feedback.progress(0.01 + 0.01 * share, "Taking the target's quantiles")

    warnings = plan.inputs.take_period(plan.dates, tell)
    feedback.log(f"target: corrected by {correction.in_words} before it is made finer.")
    for line in warnings:
        feedback.log(line, "warning")
    return warnings


def fit(plan: RunPlan, method: Method, feedback: Feedback) -> list[str]:
    """Let a method learn from the run's own coarse field, if it does; return warnings."""
    if not isinstance(method, FittedMethod):
        return []
    feedback.progress(0.01, PHASE)
    stack = coarse_stack(plan.inputs, plan.grids, plan.choice.target, plan.dates, feedback)
    method.fit(stack, feedback.check_cancelled)
    for line in method.learned_in_words():
        feedback.log(line)
    amounts = {source.name for source in method.sources if source.kind == "continuous"}
    seen = {name: values for name, values in stack.covariates.items() if name in amounts}
    doubts = wild_values({"target": stack.target[:, None], **seen})
    if method.nothing_learned:
        doubts.insert(0, method.nothing_learned)
    for line in doubts:
        feedback.log(line, "warning")
    return doubts
