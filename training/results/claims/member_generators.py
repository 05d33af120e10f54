"""What draws members best: noise in the network, an adversary beside it, or a flow; from records."""

from __future__ import annotations

import math

from training.evaluation.recorded import KIND
from training.evaluation.scores import members_name
from training.records.record import Record
from training.results.claims.claim import Bar, Claim, ResultsSection, columns
from training.results.claims.context import ResultsContext
from training.results.claims.defaults import FOLDER, SHARP

# Of the members: title, whose numbers (the ensemble's, the mean's, one member's), metric. A spectrum needs
# a truth without holes.
SHOWN = (
    ("CRPS", "", "crps"),
    ("RMSE of mean", "mean", "rmse"),
    ("spread/skill", "", "spread_skill"),
    ("rank histogram", "", "rank_histogram"),
    ("reliability 95", "", "reliability_95"),
    ("JS of one", "member", "js_distance"),
    ("RALSD of one", "member", "ralsd"),
)


def member_generators(context: ResultsContext) -> ResultsSection:
    """Scores of members that different generators draw from one estimate, as the newest records have them."""
    section = ResultsSection("What members are drawn by")
    records = [r for r in context.records(KIND) if "ensembles" in r.notes]
    newest = {r.config: r for r in records if not r.config.startswith(FOLDER)}
    if not newest:
        return section.lack("What members are drawn by: no record is committed.")
    section.text = "\n\n".join(record_table(record) for record in newest.values())
    for record in newest.values():
        add_claims(section, record)
    return section


def add_claims(section: ResultsSection, record: Record) -> None:
    """Add a record's figures, and the claim on its best generator."""
    scored = {name: scores_of(record, name) for name in generators(record)}
    for name, values in scored.items():
        known = {title: value for title, value in values.items() if math.isfinite(value)}
        section.figures += [Claim(f"{title} of {name}", value) for title, value in known.items()]
    best = next(iter(scored))
    simple, held = record.notes["titles"][record.notes["least_mae"]], record.notes["ensembles"][best]
    words = f"fair CRPS of {best}, the best generator, over the MAE of {simple}, the best simple method"
    value, low, high = (math.nan if n is None else float(n) for n in held["over_least_mae"])
    section.claims.append(Claim(words, value, low, high, Bar(high=SHARP), held["few"]))


def generators(record: Record) -> list[str]:
    """Return the names of the methods that drew members with all their sources, by their CRPS."""
    names = [n for n in record.notes["ensembles"] if "-without-" not in n]
    return sorted(names, key=lambda name: scores_of(record, name)["CRPS"])


def scores_of(record: Record, name: str) -> dict[str, float]:
    """Return what `SHOWN` lists of a method's members, by title."""
    values = {}
    for title, kind, metric in SHOWN:
        held = record.metrics.get(members_name(name, kind), {}) if kind else record.notes["ensembles"][name]
        value = held.get(metric)
        values[title] = float("nan") if value is None else float(value)
    return values


def record_table(record: Record) -> str:
    """Return a record's generators as rows."""
    simple = record.notes["least_mae"]
    rows = [["members from", *(title for title, _, _ in SHOWN)]]
    for name in generators(record):
        scores = scores_of(record, name).values()
        numbers = (f"{value:.4g}" if math.isfinite(value) else "" for value in scores)
        rows.append([record.notes["titles"][name], *numbers])
    error = record.metrics[simple]["mae"]
    told = f"MAE of {record.notes['titles'][simple]}, the best simple method: {error:.4g}"
    return f"{record.id} ({record.config}; {record.notes['units']})\n{columns(rows)}\n{told}"
