"""What comes of an ablation: a page, a table of values (CSV), and the numbers (JSON)."""

from __future__ import annotations

import csv
import io
import json
import math
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from engine.files.atomic import write_text
from training.ablation.figures import agreement_chart, heat_map, importance_chart
from training.ablation.gather import Gathered, title_of
from training.ablation.importance import Agreement, Estimate, agreement, alone, estimate, on_top, shapley
from training.ablation.plan import UNCONSTRAINED
from training.data.archive import Archive
from training.html.page import Cell, Page, facts_html, figure_html, table_html
from training.html.style import drawing
from training.schema.config import Config

PAGE = "ablation.html"
COLUMNS = (
    ("rmse", "RMSE", "{:.3f}"),
    ("mae", "MAE", "{:.3f}"),
    ("js_distance", "JS distance", "{:.4f}"),
    ("ralsd", "RALSD, dB", "{:.2f}"),
    ("conservation_residual", "residual", "{:.1e}"),
)
FURTHER = (("bias", "bias", "{:+.3f}"), ("ssim", "SSIM", "{:.4f}"), ("fss_95_5", "FSS95/5", "{:.4f}"))


class Summary:
    """Every number that the page shows.

    Args:
        gathered: the results.
    """

    def __init__(self, gathered: Gathered) -> None:
        self.gathered = gathered
        results, groups = gathered.retrained, gathered.groups
        self.gains: dict[str, tuple[Estimate, Estimate, Estimate]] = {
            group: (
                estimate(results, contrast),
                estimate(results, alone(group)),
                estimate(results, on_top(group, groups)),
            )
            for group, contrast in shapley(groups).items()
        }
        self.constraints: dict[str, dict[str, Estimate]] = {
            v.constraint: {
                metric: estimate(results, {v.name: 1.0, gathered.reference: -1.0}, metric)
                for metric, _, _ in (*COLUMNS, *FURTHER)
            }
            for v in gathered.variants
            if v.constraint is not None
        }
        self.agreement: Agreement | None = None
        if gathered.withheld is not None:
            self.agreement = agreement(results, gathered.withheld, groups)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        gathered = self.gathered
        results, names = gathered.retrained, [name for name, _, _ in (*COLUMNS, *FURTHER)]
        told: dict[str, Any] = {
            "groups": list(gathered.groups),
            "seeds": list(results.seeds),
            "reference": gathered.reference,
            "missing": [run.id for run in gathered.missing],
            "variants": {name: {m: results.values(name, m) for m in names} for name in results.metrics},
            "gains": {
                group: {
                    key: _plain(value)
                    for key, value in zip(("average", "alone", "on_top"), three, strict=True)
                }
                for group, three in self.gains.items()
            },
            "constraints": {
                name: {metric: _plain(value) for metric, value in by_metric.items()}
                for name, by_metric in self.constraints.items()
            },
        }
        if self.agreement is not None and gathered.withheld is not None:
            told["withheld"] = {
                name: {m: gathered.withheld.values(name, m) for m in names}
                for name in gathered.withheld.metrics
            }
            told["agreement"] = self.agreement._asdict()
        return _finite(told)


def _plain(estimate: Estimate) -> dict[str, Any]:
    intervals = {name: getattr(estimate, name) for name in ("blocks", "seeds", "both")}
    return {"value": estimate.value, **{name: [i.low, i.high] for name, i in intervals.items()}}


def _finite(value: Any) -> Any:
    """Return the value with null for numbers that are not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write(folder: Path, config: Config, archive: Archive, gathered: Gathered, command: str) -> Path:
    """Write ablation.html, .csv and .json into a folder; returns the page's path."""
    summary = Summary(gathered)
    write_text(folder / "ablation.json", json.dumps(summary.to_json(), indent=1, allow_nan=False) + "\n")
    write_text(folder / "ablation.csv", _csv(gathered))
    page = build_page(config, archive, summary, command)
    page.write(folder / PAGE)
    return folder / PAGE


def _csv(gathered: Gathered) -> str:
    """Return one line for each run, case and metric."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["variant", "seed", "given", "metric", "value", "id"])
    for record in gathered.records:
        for case, values in record.metrics.items():
            for metric, value in values.items():
                given = "" if value is None else value
                writer.writerow([record.notes["variant"], record.seed, case, metric, given, record.id])
    return text.getvalue()


def build_page(config: Config, archive: Archive, summary: Summary, command: str) -> Page:
    """Return the page."""
    gathered, units = summary.gathered, archive.units
    results = gathered.retrained
    count = len(results.seeds)
    simulated = " Simulated data." if archive.simulated else ""
    page = Page(
        f"Ablation of {config.model.name}",
        f"{archive.title}. {archive.target_title}, {units}.{simulated}",
    )
    facts = [
        ("Runs", f"{len(gathered.records)} short trainings, {gathered.records[0].steps} steps each"),
        ("Seeds", ", ".join(str(s) for s in results.seeds)),
        ("Groups", "; ".join(_members(config, g) for g in gathered.groups)),
        ("Constraints taken from", gathered.reference),
        ("Missing", f"{len(gathered.missing)} runs" if gathered.missing else "nothing"),
    ]
    page.section("What was run", facts_html(facts))
    with drawing() as pyplot:
        page.section(
            "What each is worth",
            importance_chart(
                pyplot,
                summary.gains,
                {_title(gathered, name): by["rmse"] for name, by in summary.constraints.items()},
                units,
            ),
            "Left: how far the RMSE falls when a group of sources is added, averaged over all orders in "
            "which the groups may come (Shapley value). Right: how far it rises without one constraint. "
            "Thick lines: 95 % intervals from the bootstrap over places and dates; thin lines: also over "
            f"{count} seeds (Student's t).",
        )
        page.section(
            "Every variant",
            heat_map(pyplot, gathered, COLUMNS),
            "Means over the seeds. Colour: change against no group at all (above the line) or against "
            "the reference (below it); blue is better.",
        )
        page.section("", _variants_table(gathered), "Mean over the seeds, standard deviation below.")
        page.section("Gains and losses in numbers")
        told = f"Fall of the RMSE in {units}, with 95 % intervals (places, dates and seeds)."
        page.section("", _gains_table(summary), told)
        if summary.constraints:
            told = (
                "Change of each metric without a constraint, with 95 % intervals (of the RMSE over places, "
                "dates and seeds, of the others over the seeds)."
            )
            page.section("", _constraints_table(summary), told)
        if summary.agreement is not None and summary.agreement.names:
            figure = agreement_chart(pyplot, summary.agreement, units)
            _quick(page, summary.agreement, figure_html(figure, "gains, retrained and withheld"))
    return page.foot(f"Made by <code>{escape(command)}</code>.")


def _members(config: Config, group: str) -> str:
    sources = config.ablation.groups.get(group)
    return group if sources in (None, (group,)) else f"{group} ({', '.join(sources or ())})"


def _title(gathered: Gathered, constraint: str) -> str:
    variant = next(v for v in gathered.variants if v.constraint == constraint)
    return title_of(variant, gathered.groups).removeprefix("without ")


def _variants_table(gathered: Gathered) -> str:
    columns = (*COLUMNS, *FURTHER)
    rows: list[list[str | Cell]] = []
    kinds = {
        "subset": "Sources",
        "constraint": f"Constraints (with {gathered.reference})",
        UNCONSTRAINED: "No constraint at all",
    }
    seen: set[str] = set()
    for variant in gathered.variants:
        if variant.kind not in kinds:
            continue
        if variant.kind not in seen:
            rows.append([kinds[variant.kind]])
            seen.add(variant.kind)
        cells: list[str | Cell] = [title_of(variant, gathered.groups)]
        for name, _, form in columns:
            values = np.array(gathered.retrained.values(variant.name, name))
            spread = f"± {values.std(ddof=1):.2g}" if values.size > 1 else ""
            cells.append(Cell(form.format(values.mean()), spread))
        rows.append(cells)
    return table_html(["variant", *(title for _, title, _ in columns)], rows)


def _gains_table(summary: Summary) -> str:
    rows: list[list[str | Cell]] = [
        [group, *(_with_interval(e) for e in three)]
        for group, three in sorted(summary.gains.items(), key=lambda item: -item[1][0].value)
    ]
    return table_html(["group", "average gain", "alone", "on top of all others"], rows)


def _constraints_table(summary: Summary) -> str:
    columns = (*COLUMNS, *FURTHER)
    rows: list[list[str | Cell]] = [
        [_title(summary.gathered, name), *(_with_interval(by_metric[m]) for m, _, _ in columns)]
        for name, by_metric in summary.constraints.items()
    ]
    return table_html(["without", *(title for _, title, _ in columns)], rows)


def _with_interval(estimate: Estimate) -> Cell:
    low, high = estimate.both.low, estimate.both.high
    small = "" if math.isnan(low) else f"{low:+.3g} to {high:+.3g}"
    return Cell(f"{estimate.value:+.3g}", small)


def _quick(page: Page, agreement: Agreement, figure: str) -> None:
    """Add the quick ablation: one model with source dropout, sources withheld at the test."""
    text = (
        "One model, trained on all groups with source dropout and the same budget, is tested with groups "
        "withheld. Its gains against those of models trained for each subset: Spearman's rank "
        f"correlation <b>{agreement.rank_correlation:.2f}</b>, mean absolute difference "
        f"<b>{agreement.difference:.3g}</b>, over {len(agreement.names)} gains."
    )
    page.section("One model, sources withheld", f"<p>{text}</p>")
    page.section("", figure, "Each point: what one group adds to what was there already.")
    rows = [
        [name, f"{a:+.3f}", f"{b:+.3f}"]
        for name, a, b in zip(agreement.names, agreement.retrained, agreement.withheld, strict=True)
    ]
    page.section("", table_html(["gain", "retrained", "withheld"], rows), "Fall of the RMSE, both ways.")
