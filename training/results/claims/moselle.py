"""Moselle, 24 km to 500 m, no fine truth: cross-validation one level up, from committed records."""

from __future__ import annotations

from training.records.record import Record
from training.results.claims.claim import Bar, Claim, ResultsSection, columns
from training.results.claims.context import ResultsContext

CONFIGS = "moselle"  # what the configurations' names begin with
COMPARED = "_convolutions.yaml"
PLAUSIBLE = Bar(-7.0, -4.0)  # K/km, lapse rates of the literature


def moselle(context: ResultsContext) -> ResultsSection:
    """Errors of the cascade and of every baseline on held-out blocks and years; lapse rates below."""
    section = ResultsSection("Moselle")
    records = [r for r in context.records() if r.config.rpartition("/")[2].startswith(CONFIGS)]
    if not records:
        return section.lack("Moselle: no record is committed.")
    section.text = "\n\n".join(record_table(record) for record in records)
    for record in records:
        for case, values in record.metrics.items():
            for metric, value in values.items():
                if value is not None:
                    section.figures.append(Claim(f"{record.id}: {metric} of {case}", value))
        compared = record.config.endswith(COMPARED)  # what did worse is told as figures alone
        section.claims += held_out(record) if record.kind == "cross_validation" and not compared else ()
        section.claims += lapse(record) if record.kind == "lapse_rate" else ()
    return section


def held_out(record: Record) -> list[Claim]:
    """Return the cascade's RMSE over the best other method's, for each step and choice of cells."""
    model, claims = str(record.notes.get("model")), []
    for place, ratios in record.notes.get("rmse_ratio", {}).items():
        errors = {name: values.get(f"rmse_{place}") for name, values in record.metrics.items()}
        others = {name: value for name, value in errors.items() if name in ratios and value is not None}
        if not others or model not in errors:
            continue
        best = min(others, key=lambda name: others[name])
        step, _, where = place.partition("_")
        words = f"RMSE of {model} over that of {best}, ×{step}, {where} cells, held-out block and year"
        value, low, high = (float(number) for number in ratios[best])
        claims.append(Claim(words, value, low, high, Bar(high=1.0, strict=True)))
    return claims


def lapse(record: Record) -> list[Claim]:
    """Return how the cascade's fine detail falls with height."""
    model = str(record.notes.get("model"))
    values = {key: float("nan") if v is None else v for key, v in record.metrics.get(model, {}).items()}
    if not {"slope", "low", "high"} <= set(values):
        return []
    words = f"change of {model}'s fine detail with elevation, {record.notes.get('units')}"
    return [Claim(words, values["slope"], values["low"], values["high"], PLAUSIBLE)]


def record_table(record: Record) -> str:
    """Return a record's cases as rows, its metrics as columns."""
    metrics = list(dict.fromkeys(name for values in record.metrics.values() for name in values))
    rows = [["case", *metrics]]
    for case, values in record.metrics.items():
        numbers = (values.get(metric) for metric in metrics)
        rows.append([case, *("" if n is None else f"{n:.4g}" for n in numbers)])
    return f"{record.id} ({record.kind}, {record.config})\n" + columns(rows)
