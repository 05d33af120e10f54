"""The report of an evaluation: one page, and its numbers as CSV and JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from types import ModuleType

from engine.files.atomic import write_text
from engine.raster.crs_name import cell_size, crs_name
from training.evaluation.comparison import Evaluation
from training.html.page import Page, facts_html
from training.html.style import drawing
from training.report import (
    change,
    comparisons,
    dates,
    elevation,
    ensembles,
    maps,
    quantiles,
    results_tables,
    spectra,
    taylor,
)
from training.report.context import Part, ReportContext, context_of, period
from training.report.numbers import csv_text

# In the page's order; each has a TITLE and yields its tables and figures, none where it has no data.
SECTIONS: tuple[ModuleType, ...] = (
    results_tables,
    comparisons,
    maps,
    dates,
    spectra,
    quantiles,
    taylor,
    elevation,
    change,
    ensembles,
)


def write_report(
    evaluation: Evaluation,
    path: Path,
    time: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> list[Path]:
    """Write the page and, beside it under the same name, its numbers as CSV and as JSON.

    Args:
        evaluation: with every metric (`further`).
        path: of the page.
        time: the date of the maps; by default one of middling skill.
        tell: is told each section before it is drawn.

    Returns:
        The files, the page first.
    """
    table, numbers = path.with_suffix(".csv"), path.with_suffix(".json")
    archive = evaluation.archive
    title = f"{archive.target_title}, ×{archive.factor}: {evaluation.model or 'simple methods'}"
    if archive.simulated and "simulated" not in archive.target_title.lower():
        title += " (simulated data)"
    page = Page(title, archive.title)
    with drawing() as pyplot:
        context = context_of(evaluation, pyplot, time)
        page.html(facts_html(list(_facts(context))))
        for section in SECTIONS:
            if tell:
                tell(section.TITLE)
            heading = section.TITLE
            part: Part
            for part in section.parts(context):
                page.section(heading, part.content, part.caption)
                heading = ""
    page.foot(
        f"Made by <code>python -m training.evaluate</code>. The numbers are in {escape(table.name)} and "
        f"{escape(numbers.name)} beside this page."
    )
    page.write(path)  # it takes long and most room: if it fails, nothing stays beside it
    write_text(table, csv_text(evaluation))
    write_text(numbers, json.dumps(evaluation.to_json(), indent=1) + "\n")
    return [path, table, numbers]


def _facts(context: ReportContext) -> Iterator[tuple[str, str]]:
    evaluation = context.evaluation
    archive, split = evaluation.archive, evaluation.split
    times, train = split.test.times, split.train.times
    stated = not archive.simulated or archive.citation.lower().startswith("simulated")
    yield "Data", f"{'' if stated else 'Simulated. '}{archive.citation}"
    yield "Target", f"{context.what}, ×{archive.factor}"
    rows, columns = archive.shape[0], split.test.columns[1] - split.test.columns[0]
    k = archive.factor
    cell = cell_size(archive.transform.a, archive.transform.e, archive.crs)
    yield (
        "Test region",
        f"{columns} × {rows} coarse cells of {cell}, {columns * k} × {rows * k} fine, "
        f"{crs_name(archive.crs)}",
    )
    yield "Test dates", f"{len(times)}: {period(context)}"
    where = "" if split.train.columns == split.test.columns else ", elsewhere"
    yield (
        "Training",
        f"{len(train)} dates, {context.when(train[0])} to {context.when(train[-1])}{where}; archive of "
        f"{archive.period}",
    )
    if evaluation.model:
        sources = ", ".join(context.main.case.view.sources) or "none"
        yield "Model", f"{evaluation.model}, with {sources}"
    if evaluation.correction is not None:
        yield "Coarse product", evaluation.correction.in_words
    if any(s.members for s in evaluation.scores):
        yield "Ensembles", f"{evaluation.members} members, seed {evaluation.seed}"
    yield "Reference", f"{context.label(evaluation.reference)}: the simple method with the lowest RMSE"
    yield "Intervals", f"95 %, {evaluation.samples} two-way bootstrap samples of dates and places"
