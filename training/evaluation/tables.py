"""Scores as text: a row for each method, a column for each metric, the best marked."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from training.evaluation.change import ChangeSignal
from training.evaluation.comparison import FEWEST_BLOCKS, Evaluation
from training.evaluation.scores import Score
from training.metrics.registry import ENSEMBLE_METRICS, FURTHER_METRICS, METRICS, Registered
from training.metrics.shown import Shown


class Column(NamedTuple):
    """A metric in a table, by its name in the registry."""

    name: str
    shown: Shown

    @property
    def title(self) -> str:
        """Of the column."""
        return self.shown.title

    @property
    def form(self) -> str:
        """Of the values."""
        return self.shown.form

    @property
    def perfect(self) -> float | None:
        """The best is nearest to it; None: no best."""
        return self.shown.perfect


def columns_of(registered: Mapping[str, Registered[Any]]) -> tuple[Column, ...]:
    """Return the columns of registered metrics, in their order."""
    return tuple(Column(name, one.shown) for name, one in registered.items() if one.shown is not None)


DIGITS = 3  # of the smallest error, at least


def fitted(columns: Iterable[Column], scores: Sequence[Score]) -> list[Column]:
    """Return columns with more decimals where errors are small in the target's units.

    Args:
        columns: as they are for errors from 0.1 up.
        scores: what stands in them; the smallest MAE decides.
    """
    more = further_decimals(scores)
    return [
        column if column.shown.units != "target" else column._replace(shown=_longer(column.shown, more))
        for column in columns
    ]


def _longer(shown: Shown, more: int) -> Shown:
    """Return how a metric is shown, with more decimals."""
    return replace(shown, form=re.sub(r"\d+", lambda m: str(int(m[0]) + more), shown.form))


def further_decimals(scores: Sequence[Score]) -> int:
    """Return how many decimals to add to three, so that the smallest MAE keeps three digits."""
    errors = [
        s.measurements.metrics["mae"].compute() if s.measurements else s.values.get("mae", 0.0)
        for s in scores
    ]
    errors = [error for error in errors if error > 0]
    return max(0, DIGITS - 4 - math.floor(math.log10(min(errors)))) if errors else 0


def table(scores: Iterable[Score], units: str) -> str:
    """Return the scores as text: a row for each method, best of each column marked with *."""
    return _table(list(scores), columns_of(METRICS), f"RMSE, MAE, bias and residual in {units}; * best")


def further_table(scores: Iterable[Score], units: str) -> str:
    """Return the further metrics of scores taken with `further`, in the same form."""
    foot = (
        f"KL in bits, W1 and bias of quantiles in {units}, RALSD in dB; FSS95/5: fractions skill above the "
        "truth's 95th percentile, 5 × 5 cells; * best"
    )
    return _table(list(scores), columns_of(FURTHER_METRICS), foot)


def ensemble_table(scores: Iterable[Score], units: str) -> str:
    """Return the metrics of the ensembles among the scores, in the same form."""
    rows = [
        replace(s, values={name: metric.compute() for name, metric in s.ensemble.items()})
        for s in scores
        if s.members
    ]
    foot = (
        f"fair CRPS in {units}; spread/skill 1 and rank index 0 are calibrated; reliability of exceeding the "
        "truth's 95th and 99th percentile"
    )
    return _table(rows, columns_of(ENSEMBLE_METRICS), foot)


def comparison_table(evaluation: Evaluation) -> str:
    """Return the comparisons as text: difference and ratio with their intervals."""
    titles = {s.case.name: s.case.title for s in evaluation.scores}
    form = f"+.{3 + further_decimals(evaluation.scores)}f"
    rows = [["compared", "against", "measure", "difference (95 %)", "ratio (95 %)", "from"]]
    for one in evaluation.comparisons:
        if one.measure == "mae":
            continue  # in the JSON; it says the same
        measure = one.measure if one.measure == one.against else f"{one.measure} / {one.against}"
        difference = f"{{:{form}}} ({{:{form}}}, {{:{form}}})".format(*one.difference)
        ratio = "{:.3f} ({:.3f}, {:.3f})".format(*one.ratio)
        rows.append([titles[one.method], titles[one.reference], measure, difference, ratio, one.few])
    foot = f"differences in {evaluation.archive.units}; block bootstrap over dates and places"
    if any(row[-1] for row in rows[1:]):
        foot += f"; from fewer than {FEWEST_BLOCKS} dates or places, intervals are too narrow to rely on"
    else:
        rows = [row[:-1] for row in rows]
    return _lines(rows, foot, 3)


CHANGE_COLUMNS = ("mean change", "RMSE", "kept", "q05", "q50", "q95", "q99", "trend", "coarse gap")


def change_rows(change: ChangeSignal) -> list[list[str]]:
    """Return the change signal as rows of text, the truth's and the coarse field's first."""
    truth = {signal.statistic: signal.truth for signal in change.methods[0].signals}
    others = [name for name in truth if name != "mean"]
    rows = [["method", *CHANGE_COLUMNS]]
    own = [f"{truth[name]:+.3f}" for name in others]
    rows.append(["The truth", f"{truth['mean']:+.3f}", "", "", *own, ""])
    rows.append(["The coarse field", f"{change.coarse:+.3f}", *[""] * 8])
    for one in change.methods:
        mean = one.signal("mean")
        errors = [f"{one.signal(name).rmse:.3f}" for name in others]
        numbers = [f"{mean.mean:+.3f}", f"{mean.rmse:.3f}", f"{mean.kept:.3f}"]
        rows.append([one.title, *numbers, *errors, f"{one.coarse_gap:.1e}"])
    return rows


def change_words(change: ChangeSignal) -> str:
    """Return which periods are compared."""
    (first, last, count), (begin, end, number) = change.earlier, change.later
    return f"{first} to {last} ({count} dates) and {begin} to {end} ({number})"


def change_table(change: ChangeSignal, units: str) -> str:
    """Return the change signal as text."""
    foot = (
        f"change from {change_words(change)} in {units}; of quantiles and of the trend a decade the RMSE, of "
        f"the truth their own; kept: slope over the truth's change; coarse gap: RMSE to the coarse field's"
    )
    return _lines(change_rows(change), foot)


def _table(scores: Sequence[Score], columns: Sequence[Column], foot: str) -> str:
    best: dict[str, float] = {}
    columns = fitted(columns, scores)
    for column in columns:
        if column.perfect is not None:
            distances = (abs(s.values[column.name] - column.perfect) for s in scores)
            best[column.name] = min((d for d in distances if not math.isnan(d)), default=math.nan)
    rows: list[Sequence[str]] = [["method", *(column.title for column in columns)]]
    for s in scores:
        cells = []
        for column in columns:
            value = s.values[column.name]
            marked = column.perfect is not None and abs(value - column.perfect) == best[column.name]
            cells.append(column.form.format(value) + ("*" if marked else " "))
        rows.append([s.case.title, *cells])
    return _lines(rows, foot)


def _lines(rows: Sequence[Sequence[str]], foot: str, words: int = 1) -> str:
    """Lay cells out in columns, the first ones, of words, to the left."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(w) if i < words else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))
        )
        for row in rows
    ]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:], rule, foot])
