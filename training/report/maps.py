"""Maps of one date: the whole region, the errors, and two close-ups of what is hard."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill

import numpy as np

from training.data.archive import Archive
from training.data.region import Region
from training.html.page import figure_html
from training.report.context import DateFields, Part, ReportContext
from training.report.grids import Panel, columns_for, draw_panels, error_scale, value_scale

TITLE = "Maps"
BOX = "#c2185b"
LEAST_VALID = 0.95  # of a close-up's cells
LETTERS = 25  # in a line above a close-up


def parts(context: ReportContext) -> Iterator[Part]:
    """Yield fields, errors and close-ups of the typical date."""
    archive, region = context.evaluation.archive, context.evaluation.split.test
    drawn = context.drawn(context.dates["typical"])
    extent = extent_of(archive, region)
    boxes = close_ups(drawn.truth, archive.factor)
    yield _fields(context, drawn, extent, boxes)
    yield _errors(context, drawn, extent)
    for letter, box in zip("AB", boxes):
        yield _close_up(context, drawn, letter, box)


def extent_of(archive: Archive, region: Region) -> tuple[float, float, float, float]:
    """Return west, east, south, north of a region, in the archive's CRS."""
    west, north = archive.transform * (region.columns[0], 0)
    east, south = archive.transform * (region.columns[1], archive.shape[0])
    return west, east, south, north


def close_ups(truth: np.ndarray, factor: int) -> list[tuple[slice, slice]]:
    """Return up to two windows of 3 × 4 parts, apart, where the truth varies most inside coarse cells.

    Args:
        truth: (h·k, w·k), NaN where invalid.
        factor: k.
    """
    h, w = truth.shape[0] // factor, truth.shape[1] // factor
    rows = min(h, max(6, h // 6))
    columns = min(w, max(8, round(rows * 4 / 3)))
    blocks = truth.reshape(h, factor, w, factor).astype(np.float64)
    valid = np.isfinite(blocks).mean((1, 3))
    with np.errstate(invalid="ignore"):
        filled = np.where(np.isfinite(blocks), blocks, 0.0)
        count = np.maximum(np.isfinite(blocks).sum((1, 3)), 1)
        mean = filled.sum((1, 3)) / count
        variance = np.maximum((filled**2).sum((1, 3)) / count - mean**2, 0)

    def sums(values: np.ndarray) -> np.ndarray:
        total = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
        return (
            total[rows:, columns:]
            - total[:-rows, columns:]
            - total[rows:, :-columns]
            + total[:-rows, :-columns]
        )

    worth = np.where(sums(valid) >= LEAST_VALID * rows * columns, sums(np.sqrt(variance)), -1.0)
    windows: list[tuple[slice, slice]] = []
    for _ in range(2):
        row, column = np.unravel_index(int(worth.argmax()), worth.shape)
        if worth[row, column] <= 0:
            break
        windows.append(
            (
                slice(int(row) * factor, int(row + rows) * factor),
                slice(int(column) * factor, int(column + columns) * factor),
            )
        )
        away_rows = np.abs(np.arange(worth.shape[0]) - row) < 1.5 * rows
        away_columns = np.abs(np.arange(worth.shape[1]) - column) < 1.5 * columns
        worth[away_rows[:, None] & away_columns] = -1.0
    return windows


def refined(coarse: np.ndarray, factor: int) -> np.ndarray:
    """Return a coarse field, (h, w), as blocks of fine cells."""
    return coarse.repeat(factor, 0).repeat(factor, 1)


def _arranged(panels: list[Panel], shape: tuple[int, ...]) -> list[list[Panel | None]]:
    across = columns_for(shape, len(panels))
    padded: list[Panel | None] = [*panels, *[None] * (-len(panels) % across)]
    return [padded[i : i + across] for i in range(0, len(padded), across)]


def _fields(
    context: ReportContext,
    drawn: DateFields,
    extent: tuple[float, float, float, float],
    boxes: list[tuple[slice, slice]],
) -> Part:
    scale = value_scale([drawn.truth], context.what)
    archive = context.evaluation.archive
    panels = [
        Panel("Coarse input", refined(drawn.coarse, archive.factor), scale),
        Panel(f"Truth, {archive.factor} × finer", drawn.truth, scale),
    ]
    panels += [Panel(context.shown_as(s), drawn.fields[s.case.name], scale) for s in context.mapped]
    figure, axes = draw_panels(context.pyplot, _arranged(panels, drawn.truth.shape), extent)
    from matplotlib.patheffects import withStroke

    truth = axes.flat[1]
    height, width = drawn.truth.shape
    for letter, (rows, columns) in zip("AB", boxes):
        x = [extent[0] + (extent[1] - extent[0]) * c / width for c in (columns.start, columns.stop)]
        y = [extent[3] - (extent[3] - extent[2]) * r / height for r in (rows.start, rows.stop)]
        truth.plot([x[0], x[1], x[1], x[0], x[0]], [y[0], y[0], y[1], y[1], y[0]], color=BOX, lw=1.1)
        told = truth.annotate(
            letter, (x[0], y[0]), (0, 2), textcoords="offset points", color=BOX, weight="bold", va="bottom"
        )
        told.set_path_effects([withStroke(linewidth=2, foreground="white")])
    caption = (
        f"{context.what}, {drawn.label}: coarse input, truth and what each method makes of the input, on one "
        f"colour scale. Boxes: the close-ups below. {context.told}"
    )
    return Part(figure_html(figure, f"Maps of {drawn.label}", vector=False, lossy=True, dpi=170), caption)


def _errors(context: ReportContext, drawn: DateFields, extent: tuple[float, float, float, float]) -> Part:
    errors = {s.case.name: drawn.fields[s.case.name] - drawn.truth for s in context.mapped}
    scale = error_scale(list(errors.values()), f"Error ({context.evaluation.archive.units})")
    panels = []
    for score in context.mapped:
        error = errors[score.case.name]
        rmse = float(np.sqrt(np.nanmean(error.astype(np.float64) ** 2)))
        panels.append(Panel(f"{context.shown_as(score)}: RMSE {rmse:.4g}", error, scale))
    figure, _ = draw_panels(context.pyplot, _arranged(panels, drawn.truth.shape), extent)
    caption = (
        f"Errors of the same fields, method − truth, {drawn.label}; blue: too much, red: too little. "
        f"RMSE of this date. {context.told}"
    )
    return Part(figure_html(figure, f"Errors of {drawn.label}", vector=False, lossy=True, dpi=170), caption)


def _close_up(context: ReportContext, drawn: DateFields, letter: str, box: tuple[slice, slice]) -> Part:
    archive = context.evaluation.archive
    truth = drawn.truth[box]
    scale = value_scale([truth], archive.units)
    errors = {s.case.name: (drawn.fields[s.case.name] - drawn.truth)[box] for s in context.mapped}
    apart = error_scale(list(errors.values()), archive.units)
    coarse = refined(drawn.coarse, archive.factor)[box]
    top: list[Panel | None] = [Panel("Truth", truth, scale)]
    below: list[Panel | None] = [Panel("Coarse input", coarse, scale)]
    for score in context.mapped:
        name = score.case.name
        rmse = float(np.sqrt(np.nanmean(errors[name].astype(np.float64) ** 2)))
        top.append(Panel(fill(context.shown_as(score), LETTERS), drawn.fields[name][box], scale))
        below.append(Panel(f"error, RMSE {rmse:.4g}", errors[name], apart))
    figure, _ = draw_panels(context.pyplot, [top, below])
    caption = (
        f"Close-up {letter}, {drawn.label}, {context.what}: truth and the methods' fields above, the coarse "
        "input and the methods' errors (method − truth) below; fields on one scale, errors on another. The "
        f"window is one of two where the truth varies most inside coarse cells. {context.told}"
    )
    return Part(figure_html(figure, f"Close-up {letter}", vector=False, lossy=True, dpi=190), caption)
