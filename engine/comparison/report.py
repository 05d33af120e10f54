"""What a comparison found: a table for programs, a page for people, and what neither can tell."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from engine.comparison.contenders import Excluded
from engine.comparison.known_field import KnownField
from engine.comparison.levels import TRUTH, UP, JudgedLevel
from engine.comparison.measured import ComparedRow
from engine.comparison.request import CompareRequest

CANNOT_TELL = (
    "One level up is not the level asked for: cells that are larger by the factor follow elevation, land "
    "cover and weather in their own way. A method that is best there need not be best below the coarse "
    "cells.",
    "A network was trained at one size of cells; one level up it is outside of what it knows.",
    "What learns from the raster itself (sharpen) has fewer cells to learn from there than it will have.",
    "Small differences may be chance: there are few cells one level up, and neighbours are alike.",
    "The smallest error is not the best picture: smooth fields err less than misplaced detail.",
)
ROUNDING = 1e-4  # of the RMSE: a bias below it is none
_TITLES = {
    UP: "One level up: the coarse raster, averaged once more ({factor} × {factor} cells) and brought back",
    TRUTH: "Against the finer raster",
}
_COLUMNS = ("level", "method", "title", "factor", "cells", "rmse", "ratio_to_bicubicsmooth", "bias", "note")
_STYLE = (
    "body{font-family:sans-serif;max-width:70em}table{border-collapse:collapse}"
    "td,th{border:1px solid #bbb;padding:3px 8px;text-align:left}td.n{text-align:right}"
    "tr.smooth{background:#eee}tr.best{font-weight:bold}"
)


@dataclass(frozen=True)
class Findings:
    """A comparison that is done."""

    request: CompareRequest
    known: KnownField
    levels: Sequence[JudgedLevel]
    rows: Sequence[ComparedRow]
    excluded: Sequence[Excluded]
    warnings: Sequence[str]

    def of(self, level: str) -> list[ComparedRow]:
        """Return the rows of a level, the smallest error first."""
        return [row for row in self.rows if row.level == level]

    def best(self, level: str) -> str | None:
        """Return the method that errs least at a level."""
        rows = [row for row in self.of(level) if math.isfinite(row.rmse)]
        return rows[0].method if rows else None

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "rows": [row.to_json() for row in self.rows],
            "excluded": [dict(each.__dict__) for each in self.excluded],
            "factors": {level.key: level.factor for level in self.levels},
            "best": {level.key: self.best(level.key) for level in self.levels},
            "dates": [str(when) for when in self.known.dates if when is not None],
            "units": self.known.spec.units,
            "cannot_tell": list(CANNOT_TELL),
            "warnings": list(self.warnings),
        }


def table(rows: Sequence[ComparedRow]) -> str:
    """Return the rows as CSV; a number that is not known is left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        numbers = (f"{x:.6g}" if math.isfinite(x) else "" for x in (row.rmse, row.ratio, row.bias))
        writer.writerow([row.level, row.method, row.title, row.factor, row.cells, *numbers, row.note])
    return text.getvalue()


def page(findings: Findings) -> str:
    """Return a page of its own, which loads nothing."""
    title = "Methods compared on my raster"
    parts = [f"<h1>{title}</h1>", f"<p>{escape(_of_what(findings))}</p>"]
    parts += [f"<p><b>{escape(line)}</b></p>" for line in findings.warnings]
    for level in findings.levels:
        parts.append(f"<h2>{escape(_TITLES[level.key].format(factor=level.factor))}</h2>")
        parts.append(f"<p>{escape(_in_words(findings, level))}</p>{_table(findings, level.key)}")
    parts.append(f"<h2>What this cannot tell</h2><ul>{_items(CANNOT_TELL)}</ul>")
    if findings.excluded:
        left = [f"{each.title} ({each.name}): {each.why}" for each in findings.excluded]
        parts.append(f"<h2>Not compared</h2><ul>{_items(left)}</ul>")
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"<!DOCTYPE html><html><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _of_what(findings: Findings) -> str:
    rows, columns = findings.known.grid.shape
    dates = [str(when) for when in findings.known.dates if when is not None]
    when = "".join(f", {date}" for date in dates[:1])
    if len(dates) > 1:
        when += f" to {dates[-1]} ({len(dates)} dates)"
    given = ", ".join(findings.request.sources) or "none"
    file = Path(findings.request.target.path).name
    return f"{file}: {columns} × {rows} cells{when}; covariates: {given}."


def _in_words(findings: Findings, level: JudgedLevel) -> str:
    best = findings.best(level.key)
    row = next((row for row in findings.of(level.key) if row.method == best), None)
    if row is None:
        return "No method gave a value where one is known."
    if not math.isfinite(row.ratio):
        return f"{row.title} errs least."
    if row.ratio > 0.99:
        return "No method errs less than smoothly conserved bicubic interpolation by more than a percent."
    return (
        f"{row.title} errs least, {row.ratio:.2f} times as much as smoothly conserved bicubic interpolation."
    )


def _table(findings: Findings, level: str) -> str:
    unit = f" [{findings.known.spec.units}]" if findings.known.spec.units else ""
    heads = ("Method", f"RMSE{unit}", "Ratio to smooth bicubic", f"Bias{unit}", "Cells", "Note")
    best, lines = findings.best(level), []
    for row in findings.of(level):
        kind = "best" if row.method == best else "smooth" if row.method == "bicubicsmooth" else ""
        bias = 0.0 if abs(row.bias) < ROUNDING * row.rmse else row.bias
        numbers = "".join(f'<td class="n">{_number(x)}</td>' for x in (row.rmse, row.ratio, bias))
        lines.append(
            f'<tr class="{kind}"><td>{escape(row.title)}</td>{numbers}<td class="n">{row.cells}</td>'
            f"<td>{escape(row.note)}</td></tr>"
        )
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _items(texts: Sequence[str]) -> str:
    return "".join(f"<li>{escape(text)}</li>" for text in texts)


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "–"
