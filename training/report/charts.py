"""What charts share: one look for each method."""

from __future__ import annotations

from typing import Any

from training.report.context import Context
from training.scores import Score

DASHES = {"central": "-", "mean": "-", "member": (0, (4, 1.5))}


def line_style(context: Context, score: Score) -> dict[str, Any]:
    """Return a method's line: the model's thick, one member's dashed, others thin."""
    own = score.case.name == context.main_field.case.name
    return {
        "color": context.colours[score.case.name],
        "lw": 2.2 if own else 1.4,
        "ls": DASHES[score.kind],
        "zorder": 4 if own else 3,
    }
