"""Moselle, 24 km to 500 m, no fine truth: cross-validation one level up, from committed records."""

from __future__ import annotations

from training.claims.claim import Claim, Section, columns
from training.claims.context import Context
from training.records import Record

CONFIGS = "moselle"  # what the configurations' names begin with
LAPSE_RATE = "lapse_rate"  # K/km, a metric of whatever case tells it


def moselle(context: Context) -> Section:
    """Errors of the cascade and of every baseline on held-out blocks and years; lapse rates below."""
    section = Section("Moselle")
    records = [r for r in context.records() if r.config.rpartition("/")[2].startswith(CONFIGS)]
    if not records:
        return section.lack("Moselle: no record is committed.")
    section.text = "\n\n".join(record_table(record) for record in records)
    for record in records:
        for case, values in record.metrics.items():
            for metric, value in values.items():
                if value is not None:
                    section.figures.append(Claim(f"{record.id}: {metric} of {case}", value))
    return section


def record_table(record: Record) -> str:
    """Return a record's cases as rows, its metrics as columns."""
    metrics = list(dict.fromkeys(name for values in record.metrics.values() for name in values))
    rows = [["case", *metrics]]
    for case, values in record.metrics.items():
        numbers = (values.get(metric) for metric in metrics)
        rows.append([case, *("" if n is None else f"{n:.4g}" for n in numbers)])
    return f"{record.id} ({record.kind}, {record.config})\n" + columns(rows)
