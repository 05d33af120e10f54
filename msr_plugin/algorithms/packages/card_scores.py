"""A card's scores for a reader: names, units, the comparison with simple methods, what sources are worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ...appearance.units import readable
from ...method_list import METHODS
from ...packages.cards import ModelCard
from ...translation import tr

# Score: its name, and whether it is in the target's units.
SHOWN = {
    "rmse": ("RMSE", True),
    "mae": ("Mean absolute error", True),
    "bias": ("Bias", True),
    "crps": ("CRPS of the ensemble", True),
    "spread_skill": ("Spread over error (1 is right)", False),
    "pearson": ("Correlation", False),
    "ssim": ("SSIM (1 is best)", False),
}
SMOOTH = "bicubicsmooth"
_CONSERVED, _WITHOUT = "-conservative", "-without-"


@dataclass(frozen=True)
class ScoredMethod:
    """A method with its scores, as the card has them."""

    id: str
    title: str
    scores: dict[str, float]
    simple: bool  # it learned nothing

    @property
    def rmse(self) -> float:
        """The root mean square error; infinite where the card has none."""
        return self.scores.get("rmse", math.inf)


def scored(card: ModelCard) -> list[ScoredMethod]:
    """Return a card's methods, the smallest RMSE first."""
    metrics = card.raw.get("metrics")
    methods = []
    for id, scores in metrics.items() if isinstance(metrics, dict) else ():
        numbers = (
            {key: float(n) for key, n in scores.items() if is_number(n)} if isinstance(scores, dict) else {}
        )
        if numbers:
            simple = id.removesuffix(_CONSERVED) in METHODS
            methods.append(ScoredMethod(id, _title(id, card), numbers, simple))
    return sorted(methods, key=lambda method: method.rmse)


def own(card: ModelCard, methods: list[ScoredMethod]) -> ScoredMethod | None:
    """Return the model itself."""
    return next((method for method in methods if method.id in (card.id, "model")), None)


def score_table(card: ModelCard, methods: list[ScoredMethod]) -> list[list[str]]:
    """Return the main scores, with units, and the RMSE over the model's own; the first row is the head."""
    unit = readable(card.units)
    there = [key for key in SHOWN if any(key in method.scores for method in methods)]
    heads = [
        f"{tr(SHOWN[key][0])} [{unit}]" if SHOWN[key][1] and unit else tr(SHOWN[key][0]) for key in there
    ]
    model = own(card, methods)
    ratio = model is not None and 0 < model.rmse < math.inf
    rows = [[tr("Method"), *heads, *([tr("RMSE over the model's")] if ratio else [])]]
    for method in methods:
        cells = [_cell(method, key) for key in there]
        if ratio and model is not None:
            cells.append(f"{method.rmse / model.rmse:.2f}" if method.rmse < math.inf else "–")
        rows.append([method.title, *cells])
    return rows


def verdict(card: ModelCard, methods: list[ScoredMethod]) -> str:
    """Return in a sentence what the model gains over simple methods; "" where the card does not tell."""
    model = own(card, methods)
    rivals = [method for method in methods if method.simple and method.rmse < math.inf]
    if model is None or not 0 < model.rmse < math.inf or not rivals:
        return ""
    best = min(rivals, key=lambda method: method.rmse)
    text = tr(
        "On data that it had not seen, its RMSE is {rmse}: {ratio} times that of the best simple method, "
        "{best}"
    )
    text = text.format(
        rmse=_with_unit(model.rmse, card), ratio=f"{model.rmse / best.rmse:.2f}", best=best.title
    )
    smooth = next((method for method in rivals if method.id == SMOOTH and method is not best), None)
    if smooth is not None:
        further = tr(", and {ratio} times that of smooth interpolation")
        text += further.format(ratio=f"{model.rmse / smooth.rmse:.2f}")
    nothing = tr(" So it gains nothing over that method there.") if model.rmse > 0.99 * best.rmse else ""
    return f"{text}.{nothing}"


def worth(card: ModelCard, methods: list[ScoredMethod]) -> list[str]:
    """Return sentences on what sources are worth: how the model does without them, where the card tells."""
    model = own(card, methods)
    if model is None or not 0 < model.rmse < math.inf:
        return []
    lines = []
    for method in methods:
        _, mark, missing = method.id.partition(f"{card.id}{_WITHOUT}")
        if mark and method.rmse < math.inf:
            text = tr("Without {missing} its RMSE is {rmse}, {ratio} times that with all sources.")
            ratio, words = f"{method.rmse / model.rmse:.2f}", _missing(missing, card)
            lines.append(text.format(missing=words, rmse=_with_unit(method.rmse, card), ratio=ratio))
    return lines


def rounded(value: float, padded: bool = False) -> str:
    """Return a number with three digits, `padded` with zeros at its end too: 1110, 12.0, 0.0866."""
    if padded and 1 <= abs(value) < 1000:
        return f"{value:#.3g}".rstrip(".")
    return f"{float(f'{value:.3g}'):g}"


def _title(id: str, card: ModelCard) -> str:
    if id in (card.id, "model"):
        return tr("This model")
    _, mark, missing = id.partition(f"{card.id}{_WITHOUT}")
    if mark:
        return tr("This model without {}").format(_missing(missing, card))
    plain = id.removesuffix(_CONSERVED)
    title = tr(METHODS[plain].title) if plain in METHODS else plain
    return tr("{}, conserved").format(title) if plain != id else title


def _missing(name: str, card: ModelCard) -> str:
    titles = {source.name: source.title for source in card.sources}
    return (
        tr("any source") if name == "sources" else titles.get(name, name.replace("-", " ").replace("_", " "))
    )


def _cell(method: ScoredMethod, key: str) -> str:
    value = method.scores.get(key)
    if value is None:
        return "–"
    nothing = SHOWN[key][1] and abs(value) < 5e-5 * min(method.rmse, 1e300)
    return "0" if nothing else rounded(value, True)


def _with_unit(value: float, card: ModelCard) -> str:
    return f"{rounded(value)} {readable(card.units)}".strip()


def is_number(value: Any) -> bool:
    """Return whether a value of a card is a finite number."""
    return not isinstance(value, bool) and isinstance(value, (int, float)) and math.isfinite(value)
