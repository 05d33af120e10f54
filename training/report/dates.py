"""Where and when methods are good: skill by place, error by date, the best and the worst date."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from training.evaluation.scores import Score
from training.html.page import figure_html
from training.html.style import WIDTH
from training.report.charts import line_style
from training.report.context import Part, ReportContext
from training.report.grids import ColourScale, Panel, draw_panels, error_scale, value_scale
from training.report.maps import extent_of

TITLE = "Where and when"
FEW = 40  # dates that are marked one by one


def parts(context: ReportContext) -> Iterator[Part]:
    """Yield error by date, skill by place, and maps of the best and the worst date."""
    if len(context.evaluation.split.test.times) > 1:
        yield _by_date(context)
    if context.main_field.case.name != context.evaluation.reference:
        skill = _by_place(context)
        if skill is not None:
            yield skill
    for word in ("best", "worst"):
        if len({context.dates["best"], context.dates["worst"]}) > 1:
            yield _extreme(context, word)


def _by_date(context: ReportContext) -> Part:
    archive, times = context.evaluation.archive, context.evaluation.split.test.times
    figure, axis = context.pyplot.subplots(figsize=(WIDTH, 3.3))
    few = len(times) <= FEW
    for score in context.charted:
        numbers = [score.measured.dates.get(t, {}).get("rmse", np.nan) for t in times]
        style = line_style(context, score)
        axis.plot(
            range(len(times)), numbers, marker="o" if few else "", ms=4, label=score.case.title, **style
        )
    ticks = np.unique(np.linspace(0, len(times) - 1, min(len(times), 10)).round().astype(int))
    axis.set_xticks(ticks, [context.when(times[t]) for t in ticks])
    axis.set_ylim(bottom=0)
    axis.set_ylabel(f"RMSE ({archive.units})")
    axis.grid(True, axis="y")
    for word in ("best", "worst"):
        axis.axvline(times.index(context.dates[word]), color="#8a949e", lw=0.8, ls=":")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    caption = (
        f"RMSE of each test date. Dotted: the best and the worst date of {context.main_field.case.title}, by "
        f"its RMSE over that of {context.label(context.evaluation.reference)}. {context.told}"
    )
    return Part(figure_html(figure, "RMSE by date"), caption)


def skill_map(score: Score, reference: Score) -> np.ndarray | None:
    """Return 1 − MSE / MSE of the reference in blocks of coarse cells, NaN where there is nothing.

    None where the errors by block are not known.
    """
    blocks = score.measured.blocks
    if blocks.shape is None or blocks.block is None:
        return None
    own, other = (np.array(s.measured.blocks.table("rmse")[1]).sum(1)[0] for s in (score, reference))
    edge = blocks.block * blocks.factor
    shape = [-(-n // edge) for n in blocks.shape]
    with np.errstate(divide="ignore", invalid="ignore"):
        skill = np.where(other > 0, 1 - own / other, np.nan)
    return skill.reshape(shape)


def _by_place(context: ReportContext) -> Part | None:
    from matplotlib.colors import Normalize

    reference = context.evaluation.score(context.evaluation.reference)
    skill = skill_map(context.main_field, reference)
    if skill is None or not np.isfinite(skill).any():
        return None
    archive, region = context.evaluation.archive, context.evaluation.split.test
    blocks = context.main_field.measured.blocks
    if blocks.shape is None or blocks.block is None:
        return None
    edge = blocks.block * archive.factor
    fine = skill.repeat(edge, 0).repeat(edge, 1)[: blocks.shape[0], : blocks.shape[1]]
    limit = max(0.1, min(1.0, float(np.nanpercentile(np.abs(skill), 95))))
    scale = ColourScale(Normalize(-limit, limit), "PiYG", "1 − MSE / MSE of the reference", "both")
    panel = Panel(f"{context.main_field.case.title} over {reference.case.title.lower()}", fine, scale)
    wide = WIDTH if fine.shape[1] > 1.2 * fine.shape[0] else 0.6 * WIDTH
    figure, _ = draw_panels(context.pyplot, [[panel]], extent_of(archive, region), 0.75 * wide)
    caption = (
        f"Skill of {context.main_field.case.title} over {reference.case.title} by blocks of {blocks.block} × "
        f"{blocks.block} coarse cells, all test dates: green where the model's mean squared error is the "
        f"lower. {context.told}"
    )
    return Part(figure_html(figure, "Skill by place", vector=False, lossy=True, dpi=150), caption)


def _extreme(context: ReportContext, word: str) -> Part:
    archive, region = context.evaluation.archive, context.evaluation.split.test
    time, own, reference = context.dates[word], context.main_field, context.evaluation.reference
    drawn = context.drawn(time)
    fields = {n: drawn.fields[n] for n in (reference, own.case.name)}
    values = value_scale([drawn.truth], context.what)
    errors = {n: f - drawn.truth for n, f in fields.items()}
    apart = error_scale(list(errors.values()), f"Error ({archive.units})")
    names = list(fields)
    top: list[Panel | None] = [Panel("Truth", drawn.truth, values)]
    top += [Panel(context.label(n), fields[n], values) for n in names[-1:]]
    below: list[Panel | None] = [Panel(f"Error: {context.label(n)}", errors[n], apart) for n in names]
    if len(below) < 2:
        below.append(None)
    figure, _ = draw_panels(context.pyplot, [top, below], extent_of(archive, region))
    rmse = own.measured.dates[time]["rmse"]
    against = context.evaluation.score(reference).measured.dates[time]["rmse"]
    caption = (
        f"The {word} test date of {own.case.title}, {drawn.label}: RMSE {rmse:.4g} {archive.units}, "
        f"{context.label(reference)} {against:.4g}. {context.told}"
    )
    return Part(figure_html(figure, f"The {word} date", vector=False, lossy=True, dpi=150), caption)
