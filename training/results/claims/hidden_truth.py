"""Methods without a fine truth, on cases whose truth was withheld, from a committed record."""

from __future__ import annotations

import math
from typing import Any

from training.evaluation.bootstrap import Interval
from training.records.record import Record
from training.results.claims.claim import Bar, Claim, ResultsSection, claimed, columns
from training.results.claims.context import ResultsContext

JUDGED, CASCADE = "sharpen", "cascade"
OTHERS = {  # what else a record's columns are of, beside the engine's methods
    "dms": "data mining sharpener",
    "tsharp": "TsHARP",
    "gwr": "geographically weighted regression",
    "kriging": "area-to-point kriging",
    "atprk": "area-to-point regression kriging",
    "dissever": "Dissever",
}
REFERENCE = "bicubicsmooth"  # whose error that of each method is told in
NO_HARM = "no harm"  # the demand on a ratio that is made on every case
OF_RATIOS = (NO_HARM, "takes what is there", "as good as shown before")  # demands on a case's ratio
SHARE = "states its error"  # the demand on the share of cases, which is to be large
_NO_METHODS = ("reference", "oracle")


def hidden_truth(context: ResultsContext) -> ResultsSection:
    """Ratios of the root mean square error to smoothly conserved interpolation's, on every case."""
    section = ResultsSection("Without a fine truth")
    records = [r for r in context.records("hidden_truth") if any(JUDGED in m for m in r.metrics.values())]
    if not records:
        return section.lack("Without a fine truth: no record is committed.")
    record = records[-1]
    section.text = ratios_table(record)
    section.figures = [
        claimed(f"mean ratio of {name} over all kinds of cases", Interval(*map(float, told["ratio"])))
        for name, told in dict(record.notes.get("means") or {}).items()
    ]
    section.claims = [demanded(dict(each), record) for each in record.notes.get("demands") or ()]
    section.claims += worst_of_cascade(record)
    return section


def worst_of_cascade(record: Record) -> list[Claim]:
    """Return what the cascade, trained with nothing chosen by hand, has on the case that it is worst on."""
    ratios = {case: values[CASCADE] for case, values in record.metrics.items() if values.get(CASCADE)}
    limits = [float(d["limit"]) for d in record.notes.get("demands") or () if d["what"] == NO_HARM]
    if not ratios or not limits:
        return []
    worst = max(ratios, key=lambda case: float(ratios[case] or 0))
    values = record.metrics[worst]
    value, low, high = (float(values.get(f"{CASCADE}{end}") or math.nan) for end in ("", " low", " high"))
    words = f"largest ratio of {CASCADE} on any of {len(ratios)} cases ({worst})"
    return [Claim(words, value, low, high, Bar(high=limits[0]))]


def demanded(demand: dict[str, Any], record: Record) -> Claim:
    """Return a demand of the bench as a claim, with the interval of the case's ratio where it is of one."""
    what, where, limit = demand["what"], demand["where"], float(demand["limit"])
    low = high = math.nan
    if what in OF_RATIOS:
        values = record.metrics[where]
        low, high = (float(values.get(f"{JUDGED} {end}") or math.nan) for end in ("low", "high"))
    bar = Bar(low=limit) if what == SHARE else Bar(high=limit, strict=what not in OF_RATIOS)
    case = "all cases" if where == "all" else where
    return Claim(f"{JUDGED} {what} ({case})", float(demand["value"]), low, high, bar)


def ratios_table(record: Record) -> str:
    """Return the cases as rows and the methods as columns, the judged one first."""
    methods = list(
        dict.fromkeys(
            name
            for values in record.metrics.values()
            for name in values
            if name not in _NO_METHODS and not name.endswith((" low", " high"))
        )
    )
    methods.sort(key=lambda name: name != JUDGED)
    rows = [["case", "on the truth", *methods]]
    for case, values in record.metrics.items():
        numbers = [values.get(name) for name in ("oracle", *methods)]
        rows.append([case, *("" if n is None else f"{n:.3f}" for n in numbers)])
    return f"{record.id} ({record.kind}; RMSE over that of {REFERENCE})\n" + columns(rows)
