"""A model's card as a page."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputBoolean,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterFileDestination,
)

from ...folders import model_folders
from ...packages.cards import CardError, ModelCard, find_card, installed_cards
from ...system_refusals import system_reason
from ...translation import tr
from ..base import MsrAlgorithm
from ..faults import guarded
from ..finer.page import write_page
from ..places import absolute, same_place

_STYLE = (
    "body{font-family:sans-serif}table{border-collapse:collapse}td,th{border:1px solid #bbb;padding:3px 8px;"
)
_STYLE += "text-align:left;vertical-align:top}"
_ROWS = ("licence", "citation")
_DEEPEST = 4  # of nested fields that are shown


class ModelInfo(MsrAlgorithm):
    """Shows what a model's card says; needs no engine."""

    ID = "modelinfo"
    TITLE = "Model information"
    ICON = "info"
    TAGS = ("card", "metadata", "licence", "accuracy")

    def texts(self) -> dict[str, str]:
        """Return the help."""
        return {
            "": "Shows a model's card: what it makes of which sources, how it was trained and how well it "
            "does beside simple methods.",
            "MODEL": "The id of an installed model, or the folder of a model package.",
            "OUTPUT": "The page to write.",
        }

    def initAlgorithm(self, configuration: dict[str, Any] | None = None) -> None:
        """Add the parameters."""
        cards, _ = installed_cards(model_folders())
        default = cards[0].id if cards else None
        self.add_model(default)
        self.add(
            QgsProcessingParameterFileDestination(
                "OUTPUT", tr("Page"), tr("HTML files (*.html)"), optional=True
            )
        )
        for name, label in (
            ("ID", "Id"),
            ("NAME", "Name"),
            ("VERSION", "Version"),
            ("UNITS", "Units"),
            ("SOURCES", "Names of the sources"),
            ("FOLDER", "Folder"),
        ):
            self.addOutput(QgsProcessingOutputString(name, tr(label)))
        self.addOutput(QgsProcessingOutputNumber("FACTOR", tr("Factor")))
        self.addOutput(QgsProcessingOutputBoolean("ENSEMBLE", tr("Gives ensembles")))

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        """Refuse a model that is not there."""
        fine, message = super().checkParameterValues(parameters, context)
        if fine:
            try:
                self._card(parameters, context)
            except CardError as error:
                return False, f"{self.label('MODEL')}: {error}"
        return fine, message

    @guarded
    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Write the page."""
        try:
            card = self._card(parameters, context)
        except CardError as error:
            raise QgsProcessingException(str(error)) from None
        page = card_page(card)
        results: dict[str, Any] = {}
        path = absolute(self.parameterAsFileOutput(parameters, "OUTPUT", context))
        if path:
            if any(same_place(path, str(file)) for file in card.folder.rglob("*")):
                raise QgsProcessingException(f"{path} is a file of the model: choose another name.")
            try:
                write_page(path, page)
            except OSError as error:
                raise QgsProcessingException(f"{path} cannot be written: {system_reason(error)}.") from error
            results["OUTPUT"] = path
        feedback.pushInfo(f"{card.name} {card.version}: {card.target_title} [{card.units}], ×{card.factor}")
        return {
            **results,
            "ID": card.id,
            "NAME": card.name,
            "VERSION": card.version,
            "UNITS": card.units,
            "SOURCES": ",".join(source.name for source in card.sources),
            "FOLDER": str(card.folder),
            "FACTOR": card.factor,
            "ENSEMBLE": card.ensemble,
        }

    def _card(self, parameters: dict[str, Any], context: QgsProcessingContext) -> ModelCard:
        return find_card(self.parameterAsString(parameters, "MODEL", context).strip(), model_folders())


def card_page(card: ModelCard) -> str:
    """Return the card as HTML; nothing of it is taken as markup."""
    raw = card.raw
    resolution = raw.get("resolution")
    facts = [
        ("Id", card.id),
        ("Version", card.version),
        ("Target", f"{card.target_title} [{card.units}]"),
        ("Factor", f"{card.factor} × {card.factor}"),
        ("Ensembles", "yes" if card.ensemble else "no, one estimate"),
        ("Trained resolution", resolution),
        ("Domain", _domain(raw.get("domain"))),
        *((key.capitalize(), raw.get(key)) for key in _ROWS),
    ]
    parts = [
        f"<h1>{escape(card.name)}</h1>",
        *(f"<p>{escape(line)}</p>" for line in card.description.splitlines() if line.strip()),
        _table([(key, value) for key, value in facts if value not in (None, "")]),
        "<h2>Sources</h2>",
        _sources(card),
        "<h2>Accuracy on the test data</h2>",
        _metrics(raw.get("metrics")),
        "<h2>Training</h2>",
        _value(raw.get("training") or "not told"),
        *(("<h2>Without fine truth</h2>", _value(raw["cascade"])) if card.assumption else ()),
        "<h2>Target</h2>",
        _value(raw.get("target")),
    ]
    extra = {k: v for k, v in raw.items() if k.startswith(("mlm:", "x-"))}
    if extra:
        parts += ["<h2>More</h2>", _value(extra)]
    head = f'<meta charset="utf-8"><title>{escape(card.name)}</title><style>{_STYLE}</style>'
    return f"<!DOCTYPE html><html><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _domain(entry: Any) -> str:
    """Return which fine cells the model makes, "" for all."""
    if not isinstance(entry, dict):
        return ""
    if "source" in entry:
        return f"cells where {entry['source']} has data; the others get no value"
    return f"cells that {entry.get('file')} marks, at its place; the others get no value there"


def _sources(card: ModelCard) -> str:
    if not card.sources:
        return "<p>None but the target.</p>"
    rows = [["Name", "Title", "Units", "Grid", "Kind", "Needed"]]
    for source in card.sources:
        kind = (
            "climatology" if source.climatology else "changes with the date" if source.dynamic else "static"
        )
        need = "comes with the model" if source.has_default else "required" if source.required else "optional"
        grid = "fine" if source.fine else "coarse"
        rows.append([source.name, source.title, source.units, grid, kind, need])
    return _grid(rows)


def _metrics(metrics: Any) -> str:
    """Return the table method × score; cards may carry any scores, or none."""
    if not isinstance(metrics, dict) or not metrics:
        return "<p>Not told.</p>"
    scores = {m: s for m, s in metrics.items() if isinstance(s, dict)}
    names = list(dict.fromkeys(n for s in scores.values() for n in s))
    if not names:
        return _value(metrics)
    return _grid([["Method", *names], *([m, *(_number(s.get(n)) for n in names)] for m, s in scores.items())])


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
