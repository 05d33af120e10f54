"""Scores as text: a row for each method, a column for each metric, the best marked."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from training.evaluation.comparison import Evaluation
from training.evaluation.scores import Score


class Column(NamedTuple):
    """A metric in a table."""

    name: str
    title: str
    form: str
    perfect: float | None = 0.0  # the best is nearest to it; None: no best


COLUMNS = (
    Column("rmse", "RMSE", "{:.3f}"),
    Column("mae", "MAE", "{:.3f}"),
    Column("bias", "bias", "{:+.3f}"),
    Column("js_distance", "JS distance", "{:.4f}"),
    Column("conservation_residual", "residual", "{:.1e}", None),
)

FURTHER_COLUMNS = (
    Column("pearson", "Pearson", "{:.4f}", 1),
    Column("nse", "NSE (R²)", "{:.4f}", 1),
    Column("kge", "KGE", "{:.4f}", 1),
    Column("kl_divergence", "KL", "{:.5f}"),
    Column("perkins", "Perkins", "{:.4f}", 1),
    Column("wasserstein", "W1", "{:.3f}"),
    Column("quantile_bias_95", "Q95 bias", "{:+.2f}"),
    Column("quantile_bias_99", "Q99 bias", "{:+.2f}"),
    Column("ralsd", "RALSD", "{:.3f}"),
    Column("ralsd_by_field", "RALSD by field", "{:.3f}"),
    Column("fss_95_5", "FSS95/5", "{:.4f}", 1),
    Column("fss_95_17", "FSS95/17", "{:.4f}", 1),
    Column("fss_99_5", "FSS99/5", "{:.4f}", 1),
    Column("fss_99_17", "FSS99/17", "{:.4f}", 1),
    Column("ssim", "SSIM", "{:.4f}", 1),
)


ENSEMBLE_COLUMNS = (
    Column("crps", "CRPS", "{:.3f}"),
    Column("spread_skill", "spread/skill", "{:.3f}", 1),
    Column("rank_histogram", "rank index", "{:.3f}"),
    Column("reliability_95", "reliability 95", "{:.2e}"),
    Column("reliability_99", "reliability 99", "{:.2e}"),
)


IN_UNITS = ("rmse", "mae", "bias", "wasserstein", "quantile_bias_95", "quantile_bias_99", "crps")
DIGITS = 3  # of the smallest error, at least


def fitted(columns: Iterable[Column], scores: Sequence[Score]) -> list[Column]:
    """Return columns with more decimals where errors are small in the target's units.

    Args:
        columns: as they are for errors from 0.1 up.
        scores: what stands in them; the smallest MAE decides.
    """
    more = further_decimals(scores)
    return [
        column
        if column.name not in IN_UNITS
        else column._replace(form=re.sub(r"\d+", lambda m: str(int(m[0]) + more), column.form))
        for column in columns
    ]


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
    return _table(list(scores), COLUMNS, f"RMSE, MAE, bias and residual in {units}; * best")


def further_table(scores: Iterable[Score], units: str) -> str:
    """Return the further metrics of scores taken with `further`, in the same form."""
    foot = (
        f"KL in bits, W1 and bias of quantiles in {units}, RALSD in dB; FSS95/5: fractions skill above the "
        "truth's 95th percentile, 5 × 5 cells; * best"
    )
    return _table(list(scores), FURTHER_COLUMNS, foot)


def ensemble_table(scores: Iterable[Score], units: str) -> str:
    """Return the metrics of the ensembles among the scores, in the same form."""
    rows = [
        replace(s, values={name: metric.compute() for name, metric in s.ensemble.items()})
        for s in scores
        if s.members
    ]
    foot = (
        f"fair CRPS in {units}; spread/skill 1 and rank index 0 are calibrated; reliability of "
        "exceeding the truth's 95th and 99th percentile"
    )
    return _table(rows, ENSEMBLE_COLUMNS, foot)


def comparison_table(evaluation: Evaluation) -> str:
    """Return the comparisons as text: difference and ratio with their intervals."""
    titles = {s.case.name: s.case.title for s in evaluation.scores}
    form = f"+.{3 + further_decimals(evaluation.scores)}f"
    rows = [["compared", "against", "measure", "difference (95 %)", "ratio (95 %)"]]
    for one in evaluation.comparisons:
        if one.measure == "mae":
            continue  # in the JSON; it says the same
        measure = one.measure if one.measure == one.against else f"{one.measure} / {one.against}"
        difference = f"{{:{form}}} ({{:{form}}}, {{:{form}}})".format(*one.difference)
        ratio = "{:.3f} ({:.3f}, {:.3f})".format(*one.ratio)
        rows.append([titles[one.method], titles[one.reference], measure, difference, ratio])
    return _lines(
        rows, f"differences in {evaluation.archive.units}; block bootstrap over dates and places", 3
    )


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
