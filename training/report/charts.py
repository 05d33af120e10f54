"""What charts share: one look for each method."""

from __future__ import annotations

from typing import Any

from training.evaluation.scores import Score
from training.report.context import ReportContext

DASHES = {"central": "-", "mean": "-", "member": (0, (4, 1.5))}


def plain_ticks(axis: Any) -> None:
    """Write the ticks of a logarithmic axis as plain numbers.

    Args:
        axis: matplotlib's x or y axis.
    """
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def line_style(context: ReportContext, score: Score) -> dict[str, Any]:
    """Return a method's line: the model's thick, one member's dashed, the reference's dotted, on top."""
    name = score.case.name
    own, reference = name == context.main_field.case.name, name == context.evaluation.reference
    dotted = reference and not own
    return {
        "color": context.colours[name],
        "lw": 2.8 if own else 1.8 if dotted else 1.4,
        "ls": (0, (1, 1.3)) if dotted else DASHES[score.kind],
        "zorder": 2.5 if own else 4 if dotted else 3,  # a thick line may hide none
    }
