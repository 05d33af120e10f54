"""Every number of an evaluation as rows of one long table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator

from training.evaluation.comparison import Evaluation
from training.report.elevation import band_words

COLUMNS = ("method", "title", "group", "measure", "of", "value", "low", "high")
Row = tuple[str, str, str, float, float, float]


def csv_text(evaluation: Evaluation) -> str:
    """Return the table: method, title, group, measure, what of, value, and the ends of its 95 % interval.

    `of` is empty for all test cells and dates; `date …` for one date, `elevation …` for a band,
    `− …` and `/ …` for differences from and ratios over another method, `ensemble` for its metrics.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, measure, of, *numbers in _rows(evaluation):
        case = evaluation.score(name).case
        told = [repr(float(v)) if math.isfinite(v) else "" for v in numbers]
        writer.writerow([name, case.title, case.group, measure, of, *told])
    return text.getvalue()


def _rows(evaluation: Evaluation) -> Iterator[Row]:
    none = math.nan
    dates = evaluation.archive.dates
    for score in evaluation.scores:
        name = score.case.name
        for measure, value in score.values.items():
            yield name, measure, "", value, none, none
        for measure, metric in score.ensemble.items():
            yield name, measure, "ensemble", metric.compute(), none, none
        for time, numbers in score.measured.dates.items():
            for measure, value in numbers.items():
                yield name, measure, f"date {dates[time]}", value, none, none
        for band in score.measured.bands.compute() if score.measured.bands is not None else ():
            for measure in ("rmse", "mae", "bias", "count"):
                yield name, measure, f"elevation {band_words(band)}", getattr(band, measure), none, none
    for one in evaluation.comparisons:
        measure = one.measure if one.measure == one.against else f"{one.measure}:{one.against}"
        yield one.method, measure, f"− {one.reference}", *one.difference
        yield one.method, measure, f"/ {one.reference}", *one.ratio
