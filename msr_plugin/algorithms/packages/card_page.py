"""A model's card as a page that a scientist reads."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from ...appearance.units import readable
from ...packages.cards import ModelCard
from ...translation import tr
from ..finer.page import page
from .card_scores import is_number, rounded, score_table, scored, verdict, worth
from .region_map import in_words, region_map

_DEEPEST = 5  # of nested fields that are shown
_TRAINING = ("data", "period", "split", "command", "seed")


def card_page(card: ModelCard) -> str:
    """Return the card as HTML; nothing of it is taken as markup."""
    raw, methods = card.raw, scored(card)
    training = raw.get("training")
    region = training.get("region") if isinstance(training, dict) else None
    parts = [
        *(_paragraph(line) for line in card.description.splitlines() if line.strip()),
        _paragraph(verdict(card, methods)),
        _table([(key, value) for key, value in _facts(card) if value not in (None, "")]),
        _heading(tr("How good it is")),
        _scores(card),
        *_list(tr("What sources are worth"), worth(card, methods)),
        _heading(tr("Sources")),
        _sources(card),
        *_list(tr("Limits"), _limits(card)),
        _heading(tr("How it was trained")),
        *_where(region),
        _trained(training),
        *((_heading(tr("Without fine truth")), _value(raw["cascade"])) if card.assumption else ()),
        _heading(tr("Licence and citation")),
        _table(
            [(tr("Licence"), raw.get("licence")), (tr("Citation"), raw.get("citation") or tr("not told"))]
        ),
        *_rest(raw),
    ]
    return page(card.name, parts)


def _facts(card: ModelCard) -> list[tuple[str, Any]]:
    resolution = card.raw.get("resolution")
    return [
        (tr("Id"), tr("{}, version {}").format(card.id, card.version)),
        (tr("Makes"), _with_units(card.target_title, card.units)),
        (tr("Cells"), _cells(resolution, card.factor)),
        (tr("Ensembles"), tr("yes") if card.ensemble else tr("no, one estimate")),
        (tr("Domain"), _domain(card.raw.get("domain"))),
    ]


def _cells(resolution: Any, factor: int) -> str:
    """Return the trained cell sizes in words, as far as the card tells them."""
    times = tr("{0} × {0} fine cells for each coarse one").format(factor)
    if not isinstance(resolution, dict):
        return times if resolution is None else f"{times}; {resolution}"
    coarse, fine = (_size(resolution.get(key), str(resolution.get("units"))) for key in ("coarse", "fine"))
    return tr("from {coarse} to {fine}: ").format(coarse=coarse, fine=fine) + times


def _size(size: Any, units: str) -> str:
    if not is_number(size):
        return str(size)
    if units == "metre":
        return f"{rounded(size / 1000)} km" if size >= 1000 else f"{rounded(size)} m"
    return f"{rounded(size)}°" if units == "degree" else f"{rounded(size)} {units}"


def _scores(card: ModelCard) -> str:
    """Return the main scores as a table, and all that the card has below them."""
    methods, metrics = scored(card), card.raw.get("metrics")
    if not methods:
        return _value(metrics) if metrics else _paragraph(tr("Not told."))
    note = tr("Scores on the test data, the smallest error first. The card tells no intervals of them.")
    return "".join(
        [
            _paragraph(note),
            _grid(score_table(card, methods)),
            f"<details><summary>{escape(tr('All scores, as the card has them'))}</summary>",
            _metrics(metrics),
            "</details>",
        ]
    )


def _limits(card: ModelCard) -> list[str]:
    """Return in sentences where the model is at home."""
    raw, lines = card.raw, []
    training = raw.get("training")
    if isinstance(training, dict) and training.get("simulated") is True:
        lines.append(tr("It learned from simulated data: nothing in them was measured."))
    target = raw.get("target")
    if span := _span(target.get("range") if isinstance(target, dict) else None):
        lines.append(tr("In training its values were from {} {}.").format(span, readable(card.units)))
    lines.append(tr("Beyond what training had, of the target and of each source, it guesses."))
    lines.append(tr("Coarse cells more than 1.3 times larger or smaller than in training may not fit."))
    if region := in_words(training.get("region") if isinstance(training, dict) else None):
        lines.append(
            tr("How well it does outside the region below ({}) the card does not tell.").format(region)
        )
    return lines


def _span(span: Any) -> str:
    """Return a range of training in words, "" where the card tells none."""
    numbers = isinstance(span, list) and len(span) == 2 and all(is_number(n) for n in span)
    return tr("{} to {}").format(rounded(span[0]), rounded(span[1])) if numbers else ""


def _where(region: Any) -> list[str]:
    """Return the map of the training region, and its bounds in words."""
    if not isinstance(region, dict):
        return []
    columns = region.get("columns")
    words = [in_words(region), str(columns) if columns not in (None, "all") else ""]
    told = "; ".join(word for word in words if word)
    return [region_map(region), _paragraph(tr("Training region: {}").format(told)) if told else ""]


def _trained(training: Any) -> str:
    if not isinstance(training, dict) or not training:
        return _value(training or tr("Not told."))
    first = [(tr(key.capitalize()), training[key]) for key in _TRAINING if training.get(key) is not None]
    rest = [(key, value) for key, value in training.items() if key not in _TRAINING]
    details = (
        f"<details><summary>{escape(tr('All settings'))}</summary>{_table(rest)}</details>" if rest else ""
    )
    return (_table(first) if first else "") + details


def _rest(raw: dict[str, Any]) -> list[str]:
    extra = {k: v for k, v in raw.items() if k.startswith(("mlm:", "x-"))}
    shown = {"target": raw.get("target"), **extra}
    return [f"<details><summary>{escape(tr('More of the card'))}</summary>{_value(shown)}</details>"]


def _list(title: str, lines: list[str]) -> list[str]:
    entries = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return [f"<h2>{escape(title)}</h2><ul>{entries}</ul>"] if lines else []


def _heading(title: str) -> str:
    return f"<h2>{escape(title)}</h2>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>" if text else ""


def _with_units(title: str, units: str) -> str:
    return f"{title} [{readable(units)}]" if readable(units) else title


def _domain(entry: Any) -> str:
    """Return which fine cells the model makes, "" for all."""
    if not isinstance(entry, dict):
        return ""
    if "source" in entry:
        return tr("cells where {} has data; the others get no value").format(entry["source"])
    return tr("cells that {} marks, at its place; the others get no value there").format(entry.get("file"))


def _sources(card: ModelCard) -> str:
    if not card.sources:
        return _paragraph(tr("None but the target."))
    rows = [
        [tr("Name"), tr("Title"), tr("Units"), tr("Range in training"), tr("Grid"), tr("Kind"), tr("Needed")]
    ]
    for source, entry in zip(card.sources, card.raw["sources"]):
        kind = (
            tr("climatology")
            if source.climatology
            else tr("changes with the date")
            if source.dynamic
            else tr("static")
        )
        need = (
            tr("comes with the model")
            if source.has_default
            else tr("required")
            if source.required
            else tr("optional")
        )
        grid, span = tr("fine") if source.fine else tr("coarse"), _span(entry.get("range")) or "–"
        rows.append([source.name, source.title, readable(source.units), span, grid, kind, need])
    return _grid(rows)


def _metrics(metrics: Any) -> str:
    """Return the table method × score; cards may carry any scores, or none."""
    if not isinstance(metrics, dict) or not metrics:
        return _paragraph(tr("Not told."))
    scores = {m: s for m, s in metrics.items() if isinstance(s, dict)}
    names = list(dict.fromkeys(n for s in scores.values() for n in s))
    if not names:
        return _value(metrics)
    return _grid(
        [[tr("Method"), *names], *([m, *(_number(s.get(n)) for n in names)] for m, s in scores.items())]
    )


def _grid(rows: list[list[Any]]) -> str:
    head = "".join(f"<th>{escape(str(cell))}</th>" for cell in rows[0])
    body = "".join(f"<tr>{''.join(f'<td>{escape(str(c))}</td>' for c in row)}</tr>" for row in rows[1:])
    return f"<table><tr>{head}</tr>{body}</table>"


def _table(pairs: list[tuple[str, Any]], depth: int = 0) -> str:
    rows = (f"<tr><th>{escape(str(key))}</th><td>{_value(value, depth)}</td></tr>" for key, value in pairs)
    return f"<table>{''.join(rows)}</table>"


def _value(value: Any, depth: int = 0) -> str:
    if isinstance(value, dict) and depth < _DEEPEST:
        return _table(list(value.items()), depth + 1)
    if isinstance(value, list) and depth < _DEEPEST:
        return ", ".join(_value(item, depth + 1) for item in value)
    return escape(_number(value))


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.5g}"
    return str(value)
