"""Model cards as QGIS needs them, read with the standard library alone.

The engine validates packages fully; here a damaged card must only never break the provider.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..contract import CARD_VERSION, MAX_CARD_BYTES, RESERVED_IDS
from ..system_refusals import system_reason
from ..translation import tr, tr_filled
from .plain_json import read_json

CARD_FILE = "card.json"
_ID = re.compile(r"[a-z][a-z0-9]{0,39}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
# What `read_json` says, in the same words as the engine's.
_NO_JSON = (
    "it is not UTF-8",
    "line {} breaks off, or holds a sign that does not belong there",
    "it is nested too deeply",
    "a number is out of range",
    "a text holds half a letter (a lone surrogate)",
    "a text holds control characters",
    "the field {} stands twice",
    "{} is not a JSON number",
    "a number has {} digits",
)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class CardError(Exception):
    """A card cannot be used; `str(error)` is one sentence that names the file."""


class _UnfitError(Exception):
    """A card does not describe a model; `str(error)` says why, without a full stop."""


@dataclass(frozen=True)
class CardSource:
    """One source of a model, as a parameter needs it."""

    name: str
    title: str
    units: str
    fine: bool
    dynamic: bool
    climatology: bool
    required: bool  # false also where the package has a default raster
    has_default: bool

    @property
    def parameter(self) -> str:
        """The name of its raster parameter."""
        return f"SOURCE_{self.name.upper()}"


@dataclass(frozen=True)
class CardFile:
    """A file that the card names."""

    file: str
    sha256: str
    bytes: int | None


@dataclass(frozen=True)
class ModelCard:
    """A model as QGIS shows it, in its language where the texts are known; `raw` is the whole file."""

    folder: Path
    id: str
    name: str
    version: str
    description: str
    factor: int
    target_title: str
    units: str
    transform: str
    lower_bound: float | None
    strength: float
    sources: tuple[CardSource, ...]
    needs_date: bool
    season: bool  # the network sees the day of the year
    ensemble: bool  # it can draw members
    assumption: str  # on which a model without fine truth stands; "" for the others
    files: tuple[CardFile, ...]  # weights first
    raw: dict[str, Any]


def read_card(folder: Path) -> ModelCard:
    """Read the card of one package.

    Raises:
        CardError: there is none, or it does not describe a model that this plugin can show.
    """
    path = folder / CARD_FILE
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise CardError(tr("{} is larger than a card may be.").format(path))
        data = path.read_bytes()
    except OSError as error:
        raise CardError(tr("{} cannot be read: {}.").format(path, system_reason(error))) from error
    return parse_card(data, folder)


def parse_card(data: bytes, folder: Path) -> ModelCard:
    """Read a card's bytes; `folder` is where its package stands.

    Raises:
        CardError: see `read_card`.
    """
    path = folder / CARD_FILE
    try:
        raw = read_json(data)
    except ValueError as error:
        why = tr_filled(str(error), _NO_JSON)
        raise CardError(tr("{} is not valid JSON: {}.").format(path, why)) from error
    try:
        return _card(raw, folder)
    except _UnfitError as error:
        raise CardError(tr("{} is damaged: {}.").format(path, error)) from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CardError(tr("{} is damaged: it does not describe a model.").format(path)) from error


def installed_cards(folders: Iterable[Path]) -> tuple[list[ModelCard], list[CardError]]:
    """Read every package below the folders; the first one with an id wins.

    Returns the cards, sorted by name, and what is wrong with the others.
    """
    cards: dict[str, ModelCard] = {}
    errors: list[CardError] = []
    for folder in folders:
        try:
            children = sorted(folder.iterdir())
        except OSError:  # a folder that does not exist (yet) holds no models
            continue
        for child in children:
            # A dot in front: a package that is just being written.
            if child.name.startswith(".") or not os.path.lexists(child / CARD_FILE):
                continue
            try:
                card = read_card(child)
            except CardError as error:
                errors.append(error)
                continue
            cards.setdefault(card.id, card)
    return sorted(cards.values(), key=lambda card: (card.name.lower(), card.id)), errors


def find_card(id_or_folder: str, folders: Iterable[Path]) -> ModelCard:
    """Return the card of an installed model, or of the package in a folder.

    Raises:
        CardError: there is no such model, or its card is damaged.
    """
    cards, errors = installed_cards(folders)
    for card in cards:
        if card.id == id_or_folder:
            return card
    folder = Path(os.path.abspath(os.path.expanduser(id_or_folder)))
    if folder.name == CARD_FILE:
        folder = folder.parent
    if id_or_folder and folder.is_dir():
        return read_card(folder)
    for error in errors:
        if f"{os.sep}{id_or_folder}{os.sep}{CARD_FILE}" in str(error):
            raise error
    known = ", ".join(card.id for card in cards) or tr("none")
    raise CardError(
        tr("There is no model “{}”, as an id or as a folder; installed: {}.").format(id_or_folder, known)
    )


def _card(raw: Any, folder: Path) -> ModelCard:
    if not isinstance(raw, dict):
        raise _UnfitError(tr("it holds no JSON object"))
    version = _field(raw, "msr_card")
    if version != CARD_VERSION:
        raise _UnfitError(
            tr("it has the card version {}, this plugin reads {}").format(str(version)[:20], CARD_VERSION)
        )
    target = _kind(raw, "target", dict)
    sources = [_source(entry) for entry in _kind(raw, "sources", list)]
    if len({source.name for source in sources}) < len(sources):
        raise _UnfitError(tr("a source stands twice"))
    network = _kind(raw, "network", dict)
    strength = _number(target.get("strength", 1.0), "target.strength")
    if not 0 <= strength <= 1:
        raise _UnfitError(tr("target.strength is not between 0 and 1"))
    bounds = target.get("bounds") or [None, None]
    if not isinstance(bounds, list) or len(bounds) != 2:
        raise _UnfitError(tr("the field target.bounds is no pair"))
    identity = _match(_field(raw, "id"), _ID, "id")
    if identity in RESERVED_IDS:
        raise _UnfitError(tr("the id {} is a name that MSR keeps for itself").format(identity))
    factor = _field(raw, "factor")
    if isinstance(factor, bool) or not isinstance(factor, int) or not 2 <= factor <= 100:
        raise _UnfitError(tr("factor is not a whole number from 2 to 100"))
    name = _label(raw, "name", 200)
    return ModelCard(
        folder=folder,
        id=identity,
        name=tr(name) or identity,
        version=_label(raw, "version", 40),
        description=tr(_text(raw, "description", 20000)),
        factor=factor,
        target_title=tr(_label(target, "title", 200, "")) or _label(target, "name", 60),
        units=_label(target, "units", 60),
        transform=_text(target, "transform", 60, "identity"),
        lower_bound=None if bounds[0] is None else _number(bounds[0], "target.bounds"),
        strength=strength,
        sources=tuple(sources),
        needs_date=bool(network.get("season")) or any(s.climatology or s.dynamic for s in sources),
        season=bool(network.get("season")),
        ensemble=_noise(network) > 0 and "cascade" not in raw,
        assumption=_text(_kind(raw, "cascade", dict), "assumption", 2000) if "cascade" in raw else "",
        files=tuple(_files(raw)),
        raw=raw,
    )


def _source(entry: Any) -> CardSource:
    if not isinstance(entry, dict):
        raise _UnfitError(tr("a source is no JSON object"))
    name = _match(_field(entry, "name"), _NAME, "sources.name")
    has_default = isinstance(entry.get("default"), dict)
    return CardSource(
        name=name,
        title=tr(_label(entry, "title", 200, "")) or tr(name.replace("_", " ").capitalize()),
        units=_label(entry, "units", 60),
        fine=_text(entry, "grid", 20) == "fine",
        dynamic=bool(entry.get("dynamic", False)),
        climatology=entry.get("kind") == "climatology",
        required=not entry.get("optional", True) and not has_default,
        has_default=has_default,
    )


def _noise(network: dict[str, Any]) -> int:
    noise = network.get("noise", 0)
    if isinstance(noise, bool) or not isinstance(noise, int):
        raise _UnfitError(tr("network.noise is no whole number"))
    return noise


def _files(raw: dict[str, Any]) -> Iterable[CardFile]:
    entries = [_kind(raw, "weights", dict)]
    entries += [_kind(raw, "bias", dict)] if "bias" in raw else []
    domain = raw.get("domain")
    if isinstance(domain, dict) and "file" in domain:
        entries.append(domain)
    entries += [s["default"] for s in raw["sources"] if isinstance(s.get("default"), dict)]
    base = raw.get("base")
    if isinstance(base, dict) and isinstance(base.get("regression"), dict):
        entries.append(base["regression"])
    for entry in entries:
        size = entry.get("bytes")
        if size is not None and (isinstance(size, bool) or not isinstance(size, int)):
            raise _UnfitError(tr("bytes is no whole number"))
        file = _field(entry, "file")
        if _RESERVED.match(str(file)) or str(file).endswith("."):
            raise _UnfitError(tr("{} is a name that Windows keeps for itself").format(str(file)[:60]))
        yield CardFile(
            file=_match(file, _FILE, "file"),
            sha256=_match(_field(entry, "sha256"), _SHA256, "sha256"),
            bytes=size,
        )


def _field(owner: dict[str, Any], key: str) -> Any:
    if key not in owner:
        raise _UnfitError(tr("the field {} is missing").format(key))
    return owner[key]


def _kind(owner: dict[str, Any], key: str, kind: type) -> Any:
    value = _field(owner, key)
    if not isinstance(value, kind):
        raise _UnfitError(tr("the field {} is of the wrong kind").format(key))
    return value


def _text(owner: dict[str, Any], key: str, longest: int, default: str | None = None) -> str:
    value = _field(owner, key) if default is None else owner.get(key, default)
    if not isinstance(value, str) or len(value) > longest:
        raise _UnfitError(tr("the field {} is no text, or too long").format(key))
    return value


def _label(owner: dict[str, Any], key: str, longest: int, default: str | None = None) -> str:
    """Return a text of one line in which Qt finds no markup, wherever QGIS shows it."""
    text = " ".join(_text(owner, key, longest, default).split())
    return text.replace("<", "‹").replace(">", "›")


def _match(value: Any, pattern: re.Pattern[str], key: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _UnfitError(tr("the field {} ({!r}) is not of its form").format(key, str(value)[:60]))
    return value


def _number(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _UnfitError(tr("the field {} is no number").format(key))
    return float(value)
