"""A coarse product of another origin, and another climate: Iberian winters, from committed records."""

from __future__ import annotations

from training.evaluation.recorded import KIND
from training.records.record import Record
from training.results.claims.claim import Bar, Claim, ResultsSection, columns
from training.results.claims.context import ResultsContext

SHOWN = ("rmse", "mae", "bias", "js_distance")
CHANGE = ("change_mean", "change_mean_rmse", "change_mean_kept", "change_q95_rmse", "change_trend_rmse")
GAIN = 0.9  # of the best interpolation's error, that a model should be at or below
MEASURED_SNOW = "training/configs/swe16km"  # how the paths of configurations of another part begin
EXACT = 1e-3  # of a unit: a conserved field has the coarse field's change


def another_climate(context: ResultsContext) -> ResultsSection:
    """Errors and change signals of models and simple methods, as the newest record of each has them."""
    section = ResultsSection("Another origin, another climate")
    records = [r for r in context.records(KIND) if "ensembles" not in r.notes]
    newest = {r.config: r for r in records if not r.config.startswith(MEASURED_SNOW)}
    if not newest:
        return section.lack("Another origin, another climate: no record is committed.")
    tables = []
    for record in newest.values():
        tables.append(record_table(record))
        add_claims(section, record)
    section.text = "\n\n".join(tables)
    return section


def add_claims(section: ResultsSection, record: Record) -> None:
    """Add a record's figures and claims."""
    model, unit = str(record.notes["model"]), record.notes["units"]
    own = record.metrics[model]
    best, least = best_interpolation(record)
    section.figures.append(Claim(f"RMSE of {model}, {unit}", _number(own, "rmse")))
    words = f"RMSE of {model} over that of {record.notes['titles'][best]}, the best interpolation"
    section.claims.append(Claim(words, _number(own, "rmse") / least, bar=Bar(high=GAIN)))
    bias = record.notes.get("bias")
    if bias:
        given, corrected = (float(number) for number in bias["coarse_rmse"])
        section.figures += [
            Claim(f"RMSE of the coarse product of {model} as it is given, {unit}", given),
            Claim(f"RMSE of the coarse product of {model}, corrected, {unit}", corrected),
            Claim(f"conservation strength of {model}", float(record.notes["strength"])),
        ]
    if "change" in record.notes:
        _add_change(section, record, model, best)


def _add_change(section: ResultsSection, record: Record, model: str, best: str) -> None:
    unit, told = record.notes["units"], record.notes["change"]
    own, free = record.metrics[model], record.metrics[f"{model}-free"]
    section.figures += [
        Claim(f"mean change of the truth of {model}, {unit}", float(told["truth"])),
        Claim(f"mean change of {model}, {unit}", _number(own, "change_mean")),
        Claim(f"mean change of {model} without conservation, {unit}", _number(free, "change_mean")),
        Claim(f"RMSE of the mean change of {model}, {unit}", _number(own, "change_mean_rmse")),
        Claim(f"share of the change that {model} keeps", _number(own, "change_mean_kept")),
    ]
    over = _number(own, "change_mean_rmse") / _number(record.metrics[best], "change_mean_rmse")
    words = f"RMSE of the mean change of {model} over that of {record.notes['titles'][best]}"
    section.claims += [
        Claim(words, over, bar=Bar(high=1.0)),
        Claim(
            f"RMSE of the coarse mean change of {model} against the coarse field's, {unit}",
            _number(own, "change_coarse_gap"),
            bar=Bar(high=EXACT),
        ),
    ]


def best_interpolation(record: Record) -> tuple[str, float]:
    """Return the interpolation with the least RMSE, and that; no fit to the truth is among them."""
    names = [n for n in record.notes["simple"] if n.split("-")[0] in ("bilinear", "bicubic", "bicubicsmooth")]
    best = min(names, key=lambda name: _number(record.metrics[name], "rmse"))
    return best, _number(record.metrics[best], "rmse")


def record_table(record: Record) -> str:
    """Return a record's methods as rows, with the change signal's numbers where it has them."""
    wanted = [*SHOWN, *(CHANGE if "change" in record.notes else ())]
    rows = [["method", *wanted]]
    for name, values in record.metrics.items():
        numbers = (values.get(metric) for metric in wanted)
        rows.append([record.notes["titles"][name], *("" if n is None else f"{n:.4g}" for n in numbers)])
    return f"{record.id} ({record.config}; {record.notes['units']})\n{columns(rows)}"


def _number(values: dict[str, float | None], metric: str) -> float:
    value = values.get(metric)
    return float("nan") if value is None else value
