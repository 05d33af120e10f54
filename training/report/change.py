"""The change signal: what each method makes of the change from an earlier period to the test dates."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from training.evaluation.tables import change_rows, change_words
from training.html.page import table_html
from training.report.context import Part, ReportContext

TITLE = "Change signal"


def parts(context: ReportContext) -> Iterator[Part]:
    """Yield the table, where the change was measured."""
    change = context.evaluation.change
    if change is None:
        return
    units = escape(context.evaluation.archive.units)
    head, *rows = change_rows(change)
    yield Part(
        table_html(head, rows),
        f"Change from {escape(change_words(change))}, in {units}, cell by cell on the same dates. The first "
        f"two rows are the truth's own change and the coarse field's. RMSE, and what stands under the "
        f"quantiles and the trend (a decade, in the later period), are against the truth; <em>kept</em> is "
        f"the slope of the method's change over the truth's, below 1 where change is damped; <em>coarse "
        f"gap</em> is the RMSE of the method's coarse means against the coarse field's change.",
    )
