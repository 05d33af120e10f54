"""The report of an evaluation: one page, and its numbers as CSV and JSON beside it."""

from __future__ import annotations

import json
from pathlib import Path

from training.evaluation import Evaluation
from training.report.page import write_text


def write_report(evaluation: Evaluation, path: Path, time: int | None = None) -> list[Path]:
    """Write the page and, beside it under the same name, its numbers as JSON."""
    numbers = path.with_suffix(".json")
    write_text(numbers, json.dumps(evaluation.to_json(), indent=1) + "\n")
    return [numbers]
