"""Tables of methods × metrics, the best marked, and of what each method gains."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from training.evaluation.bootstrap import Interval
from training.evaluation.comparison import GROUPS, Comparison, Evaluation
from training.evaluation.scores import Score, members_name
from training.evaluation.tables import Column, columns_of, fitted
from training.html.page import Cell, nearest, table_html
from training.metrics.registry import ENSEMBLE_METRICS, FURTHER_METRICS, METRICS
from training.report.context import Part, ReportContext

TITLE = "Methods and metrics"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def parts(context: ReportContext) -> Iterator[Part]:
    """Yield accuracy, further metrics and ensembles."""
    evaluation = context.evaluation
    units, reference = evaluation.archive.units, context.label(evaluation.reference)
    ratios = {c.method: c.ratio for c in evaluation.comparisons if _with_reference(c, evaluation)}
    extra = [[_ratio(ratios.get(s.case.name), s, evaluation)] for s in evaluation.scores]
    yield Part(
        _table(evaluation.scores, columns_of(METRICS), ["RMSE / reference"], extra),
        "Accuracy of every method; bold: the best of a column. RMSE, MAE, bias and conservation residual "
        f"(the largest difference between a coarse cell and the mean of its fine cells) in {units}; "
        "Jensen–Shannon (JS) distance of the pooled distributions, base 2. Last column: RMSE over that of "
        f"the strongest simple method ({reference}), with its 95 % interval from a bootstrap of blocks of "
        f"dates and places. {context.told}",
    )
    if next(iter(FURTHER_METRICS)) in evaluation.scores[0].values:
        for columns, words in _halves():
            yield Part(_table(evaluation.scores, columns), f"{words.format(units=units)} {context.told}")
    ensembles = [s for s in evaluation.scores if s.members]
    if ensembles:
        yield Part(_ensembles(evaluation, ensembles), _ensemble_words(context))


def _with_reference(one: Comparison, evaluation: Evaluation) -> bool:
    return one.reference == evaluation.reference and one.measure == one.against == "rmse"


def _halves() -> list[tuple[list[Column], str]]:
    further = columns_of(FURTHER_METRICS)
    distribution = [column for column in further if column.shown.distribution]
    others = [column for column in further if not column.shown.distribution]
    return [
        (
            others,
            "Correlation, Nash–Sutcliffe and Kling–Gupta efficiency; structure: radially averaged log "
            "spectral distance (RALSD, dB), fractions skill score (FSS) above the truth's 95th and 99th "
            "percentile in windows of 5 and 17 fine cells, structural similarity (SSIM).",
        ),
        (
            distribution,
            "Pooled distributions: Kullback–Leibler divergence (bits), Perkins skill score, Wasserstein "
            "distance "
            "and bias of the 95th and 99th percentile ({units}).",
        ),
    ]


def _table(
    scores: Sequence[Score],
    columns: Sequence[Column],
    more: Sequence[str] = (),
    extra: Sequence[Sequence[str]] = (),
) -> str:
    """Return a table of scores in groups, the best of each column marked.

    Args:
        scores: the rows.
        columns: the metrics.
        more, extra: titles of further columns, and their cells, a row for each score.
    """
    columns = fitted(columns, scores)
    best = {
        (row, place)
        for place, column in enumerate(columns)
        for row in nearest([s.values.get(column.name, math.nan) for s in scores], column.perfect)
    }
    rows: list[Sequence[str | Cell]] = []
    marked, own, group = set(), set(), ""
    for number, score in enumerate(scores):
        if score.case.group != group:
            group = score.case.group
            rows.append([GROUPS[group]])
        if group == "model":
            own.add(len(rows))
        marked |= {(len(rows), place + 1) for place in range(len(columns)) if (number, place) in best}
        cells = [_number(score.values.get(c.name, math.nan), c.form) for c in columns]
        rows.append([score.case.title, *cells, *(extra[number] if extra else ())])
    return table_html(["Method", *(c.title for c in columns), *more], rows, marked, own)


def _number(value: float, form: str) -> str:
    """Return a number as it is printed: a true minus, powers of ten, no sign before zero."""
    if not math.isfinite(value):
        return "–"
    text = form.format(value)
    if "e" in text:
        mantissa, power = text.split("e")
        if 0 <= int(power) < 4:
            return f"{value:.1f}"
        return f"{mantissa} × 10{str(int(power)).translate(RAISED)}"
    if not set(text) - set("+-0."):
        return text.lstrip("+-")
    return text.replace("-", "−")


def with_interval(interval: Interval, form: str) -> str:
    """Return a value with its interval's ends in brackets."""
    ends = interval_words(interval, form)
    return _number(interval.value, form) + (f" ({ends})" if ends else "")


def interval_words(interval: Interval, form: str = "{:.3f}") -> str:
    """Return an interval's ends, or nothing where there are none."""
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return ""
    return f"{_number(interval.low, form)} to {_number(interval.high, form)}"


def _ratio(ratio: Interval | None, score: Score, evaluation: Evaluation) -> str:
    if score.case.name == evaluation.reference:
        return "1 (reference)"
    return "–" if ratio is None else with_interval(ratio, "{:.3f}")


def _ensembles(evaluation: Evaluation, ensembles: Sequence[Score]) -> str:
    """Return the ensembles' metrics; the CRPS with its gain over the reference's mean absolute error."""
    comparisons = {(c.method, c.reference, c.measure): c for c in evaluation.comparisons}
    values = [{name: metric.compute() for name, metric in s.ensemble.items()} for s in ensembles]
    rows: list[Sequence[str | Cell]] = []
    marked, columns = set(), fitted(columns_of(ENSEMBLE_METRICS), ensembles)
    for place, column in enumerate(columns):
        for row in nearest([v[column.name] for v in values], column.perfect):
            marked.add((row, place + 1))
    for score, numbers in zip(ensembles, values):
        name = score.case.name
        cells: list[str | Cell] = [score.case.title]
        for column in columns:
            small = ""
            calibration = comparisons.get((name, members_name(name, "mean"), "spread"))
            if column.name == "spread_skill" and calibration is not None:
                small = interval_words(calibration.ratio)
            cells.append(Cell(_number(numbers[column.name], column.form), small))
        for reference in (evaluation.reference, name):
            one = comparisons.get((name, reference, "crps"))
            ratio = one.ratio if one else Interval(math.nan, math.nan, math.nan)
            cells.append(Cell(_number(ratio.value, "{:.3f}"), interval_words(ratio)))
        rows.append(cells)
    head = ["Ensemble", *(c.title for c in columns), "CRPS / MAE of reference", "CRPS / own MAE"]
    return table_html(head, rows, marked if len(ensembles) > 1 else ())


def _ensemble_words(context: ReportContext) -> str:
    evaluation = context.evaluation
    return (
        f"Ensembles of {evaluation.members} members: fair CRPS ({evaluation.archive.units}); spread over "
        "skill (1 is calibrated); rank index, the sum of the rank histogram's departures from flat; "
        "reliability term of the Brier score for exceeding the truth's 95th and 99th percentile; CRPS over "
        f"the mean absolute error of {context.label(evaluation.reference)} and of the model's own central "
        f"estimate, which is what the CRPS of a single field is. Below: 95 % intervals. {context.told}"
    )
