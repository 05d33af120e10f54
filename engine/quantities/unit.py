"""A unit as written in a file, read into a number, pint's units, months, years and what it says of water."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

from engine.quantities.registry import Power, dimensions, in_base, is_unit, linear, product
from engine.quantities.words import BLANK, OPEN, OWN, PURE, SMALL, WORDS

WATER_DENSITY = 1000.0  # kg m-3: 1 kg m-2 of water is 1 mm, as hydrologists use it

_TEMPERATURE = re.compile(
    r"(?<![A-Za-z])(?:°|o(?=\s?C(?![A-Za-z]))|grad|deg(?:ree)?s?\.?)[\s_.-]*"
    r"(c|k|f)(?:elsius|elcius|entigrade|elvins?|ahrenheit)?(?![A-Za-z])",
    re.IGNORECASE,
)
_TEMPERATURE_FIRST = re.compile(
    r"^\s*(celsius|celcius|kelvin|fahrenheit|[CKF](?=\W))s?(?:\s+deg(?:ree)?s?|\s*°)\s*$", re.IGNORECASE
)
_BEARING = re.compile(
    r"^deg(?:ree)?s?[\s_]*\(?(?:true|north|east|[NETne]|clockwise.*|from north)\)?$", re.IGNORECASE
)
_SURVEY = re.compile(
    r"\bu\.?s\.?[\s_-]*(?:survey[\s_-]*)?(?:foot|feet|ft)\b|\bsurvey[\s_-]*(?:foot|feet|ft)\b"
    r"|\b(?:foot|feet|ft)[\s_-]*\(?u\.?s\.?(?:[\s_-]*survey)?\b\.?\)?",
    re.IGNORECASE,
)
_PLAIN_FOOT = re.compile(
    r"\binternational[\s_-]*(?:foot|feet|ft)\b|\b(?:foot|feet|ft)\s*\(international\)", re.IGNORECASE
)
_WATER = re.compile(
    r"(?:\bof\s+|\(\s*)?(?:\bliquid\s+)?(?:\bwater[\s_-]*(?:equivalent|eq\.?|column)?|\bh2o\b|\bswe\b|(?<=m)we\b"
    r"|\blwe\b|\bw\.?\s?(?:e|eq)\b\.?)(?:\s*\))?",
    re.IGNORECASE,
)
_RAIN = re.compile(
    r"\bof\s+(?:rain|rainfall|precipitation)\b|\b(?:rain|rainfall|precipitation)\b", re.IGNORECASE
)
_HEIGHT = re.compile(
    r"\(?\s*\b(?:a\.?\s?m?\.?\s?s\.?\s?l\b\.?|m\.?s\.?l\b\.?|navd\s?88|ngvd\s?29|egm\s?\d+|wgs\s?84"
    r"|above\s+(?:the\s+)?(?:mean\s+)?(?:sea[\s_-]*level|geoid|ellipsoid|msl))\s*\)?",
    re.IGNORECASE,
)
_PER = re.compile(r"(?<![A-Za-z])per(?=[\s_]|$)[\s_]*", re.IGNORECASE)
_PER_CENT = re.compile(r"\bper[\s_]+cent\b", re.IGNORECASE)
_PARTS = {"tenth": 0.1, "hundredth": 0.01, "thousandth": 0.001}
_PART = re.compile(r"^(tenth|hundredth|thousandth)s?\s+(?:of\s+)?(?:an?\s+)?", re.IGNORECASE)
_ONE_OVER = re.compile(r"^1\s*/\s*(10+)\s*(?=[A-Za-z°%])")
_TIMES = re.compile(r"[*x×]\s*(10+)(?:\.0*)?$|^(10+)(?:\.0*)?\s*[*x×](?!\*)", re.IGNORECASE)
_HUNDREDTH_OF_PERCENT = re.compile(r"(?:%|per ?cent|pct)\s*/\s*10+$", re.IGNORECASE)
_MARKS = re.compile(r"['\"′″\s]+")  # alone: feet and inches, or nothing
_SAID_TWICE = re.compile(
    r"(?P<one>[^()\[\]=]+?)\s*(?:[(\[](?P<two>[^()\[\]]+)[)\]]|(?:=|\bor\b)(?P<other>.+))"
)
_RUN_ON = re.compile(r"(?<![A-Za-z])(W|kg|mm|g|J|m)(m|s|d|day|h|hr|month)(?=-[12])")  # Wm-2, kgm-2s-1
_RUN_ON_LATER = re.compile(r"(?<=-[12])(?=[A-Za-z])")
_POWER = r"(?:\s?(?:\*\*|\^)\s?(?:\((?P<{0}_in>[-+]?\d+)\)|(?P<{0}>[-+]?\d+)))"
_TOKEN = re.compile(
    rf"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?){_POWER.format('tens')}?"
    rf"|(?P<word>[^\W\d_][^\W\d]*|°|%|‰)(?:{_POWER.format('raised')}|(?P<power>[-+]?\d+))?"
    r"|(?P<sign>\*\*|[/*.()·]))"
)


@dataclass(frozen=True)
class Unit:
    """What a text says: `factor` × the product of `powers`, months and years.

    `water` is true where it says water equivalent. `ratio` says of what a number without dimension is a
    ratio: mass, space, parts (%, ppm), or "" where nothing is said.
    """

    factor: float = 1.0
    powers: tuple[Power, ...] = ()  # pint's names
    months: int = 0  # power of the calendar month, whose length the date tells
    years: int = 0
    water: bool = False
    ratio: str = ""

    @property
    def angles(self) -> int:
        """The power of angle, which pint takes for a number."""
        return sum(power for name, power in self.powers if name in ("degree", "radian"))

    @property
    def dimensions(self) -> dict[str, float]:
        """Powers of length, mass, time and so on, with months and years as times."""
        powers = dimensions(self.powers)
        time = powers.pop("time", 0.0) + self.months + self.years
        return {**powers, "time": time} if time else powers


def is_blank(text: str | None) -> bool:
    """Return whether a text says no unit: empty, or a word such as none or unknown."""
    if text is None or not text.strip():
        return True
    return _MARKS.fullmatch(text) is None and _outer(text).lower() in BLANK


def scaled_words(text: str) -> str:
    """Return the number behind a unit that is written as "mm*10", which may mean two things; "" else."""
    match = _TIMES.search(_outer(text))
    return match[1] or match[2] if match else ""


@lru_cache(maxsize=512)
def read(text: str) -> Unit | None:
    """Return what a text says, or None where it is not understood.

    Case counts where it makes a unit (mPa, MPa) and is forgiven where it does not (KELVIN, METERS).

    Raises:
        EngineError: pint cannot be imported.
    """
    words = _outer(text)
    if words.lower() in PURE or words.lower() in ("dimensionless", "unitless"):
        return Unit()
    if _BEARING.match(words):
        return Unit(powers=(("degree", 1),))
    if _TIMES.search(words) or _HUNDREDTH_OF_PERCENT.match(words):
        return None
    if match := _SAID_TWICE.fullmatch(words):
        one, two = read(match["one"]), read(match["two"] or match["other"])
        if one is not None and two is not None:
            if _alike(one, two):
                return replace(one, water=one.water or two.water, ratio=one.ratio or two.ratio)
            if match["other"] or one.dimensions == two.dimensions:  # "fraction (%)": which of the two?
                return None
    part = 1.0
    words = _RUN_ON_LATER.sub(" ", _RUN_ON.sub(r"\1 \2", words))
    if match := _PART.match(words):
        part, words = _PARTS[match[1].lower()], words[match.end() :]
    elif match := _ONE_OVER.match(words):
        part, words = 1.0 / int(match[1]), words[match.end() :]
    words = _PER.sub("/", _PER_CENT.sub("percent", words.replace("_", " ")))
    words = _TEMPERATURE.sub(lambda m: f"deg{m[1].lower()}", _TEMPERATURE_FIRST.sub(r"\1", words))
    words = _PLAIN_FOOT.sub("foot", _SURVEY.sub("usft", words))
    words = _HEIGHT.sub(" ", words)
    words, waters = _WATER.subn(" ", words)
    words = _RAIN.sub(" ", words).lstrip(" ,;:").rstrip(" .,;:")
    product = _Reader(words).product()
    if product is None:
        return None
    number, counted = product
    months, years = counted.pop("month", 0), counted.pop("year", 0)
    del counted["dimensionless"]
    ratio = _ratio(counted)
    counted = Counter({name: power for name, power in counted.items() if power})
    if len(counted) > 1 or any(power != 1 for power in counted.values()) or months or years:
        for absolute, step in (("degC", "kelvin"), ("degF", "delta_degF")):  # per degree, degrees per day
            if power := counted.pop(absolute, 0):
                counted[step] += power
    powers = tuple(sorted((name, power) for name, power in counted.items() if power))
    if not (powers or months or years or ratio or waters) and number > 1:
        return None  # "10000" may be what the numbers are to be divided by
    return Unit(number * part, powers, months, years, bool(waters), ratio)


def _alike(one: Unit, two: Unit) -> bool:
    """Return whether two units are the same, or a depth of water and its mass: mm (kg m-2)."""
    if (one.months, one.years, one.angles) != (two.months, two.years, two.angles):
        return False
    density = 1.0
    if one.dimensions != two.dimensions:
        masses = [unit.dimensions.get("mass", 0.0) for unit in (one, two)]
        bare = [{k: v for k, v in u.dimensions.items() if k not in ("mass", "length")} for u in (one, two)]
        lengths = [unit.dimensions.get("length", 0.0) for unit in (one, two)]
        if bare[0] != bare[1] or sorted(zip(masses, lengths)) != [(0.0, 1.0), (1.0, -2.0)]:
            return False
        density = WATER_DENSITY if masses[0] else 1 / WATER_DENSITY
    if len(one.powers) == len(two.powers) == 1:  # °C is not K
        line = linear(product(one.powers), product(two.powers))
        if line is not None:
            return line[1] == 0.0 and math.isclose(line[0] * one.factor, two.factor, rel_tol=1e-6)
    numbers = [in_base(unit.powers) for unit in (one, two)]
    if numbers[0] is None or numbers[1] is None:
        return False
    return math.isclose(one.factor * numbers[0], two.factor * numbers[1] * density, rel_tol=1e-6)


def _ratio(counted: Counter[str]) -> str:
    """Return what a product is a ratio of, before its parts cancel out."""
    parts = {dimension for name in counted for dimension in dimensions([(name, 1)])}
    for dimension, word in (("mass", "mass"), ("length", "space")):
        if dimension in parts:
            return word
    return "parts" if counted.keys() & {"percent", "permille", "ppm", "ppb"} else ""


def _outer(text: str) -> str:
    """Return a text with plain letters, one space between words, and no brackets round the whole."""
    text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")  # of no width
    text = text.replace("º", "°").replace("˚", "°").replace("\\", "")
    text = unicodedata.normalize("NFKC", text).replace("μ", "u").replace("⋅", "·").replace("∙", "·")
    text = re.sub(r"[−‐‑–—](?=\d)", "-", text)
    text = " ".join(re.sub(r"[{}$\"'`\0]", "", text).split())
    while len(text) > 2 and text[0] + text[-1] in ("[]", "()") and _encloses(text):
        text = text[1:-1].strip()
    return text


def _encloses(text: str) -> bool:
    """Return whether the bracket that opens a text is closed at its end only."""
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign in "[(") - (sign in "])")
        if depth == 0:
            return at == len(text) - 1
    return False


def _name(word: str, shouted: bool) -> str | None:
    """Return pint's name for one word; None where there is none, or where it is open which."""
    if word in OPEN:
        return None
    if word in WORDS:
        return WORDS[word]
    if shouted and word in SMALL:
        return WORDS[SMALL[word]]
    whole = len(word) > 1 and (word.isupper() or word[1:].islower() or len(word) > 2)
    if whole and word not in OWN and word.lower() in WORDS and not (len(word) > 2 and is_unit(word)):
        return WORDS[word.lower()]
    return word if len(word) > 1 and is_unit(word) else None


class _Reader:
    """Reads products and quotients of words with powers, from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        letters = re.sub(r"[^A-Za-z]", "", text)
        self._shouted = letters.isupper()

    def product(self) -> tuple[float, Counter[str]] | None:
        """Return the number in front and the powers of pint's names; None where a part is not understood."""
        try:
            number, counted = self._terms(closing=False)
        except ValueError:
            return None
        return (number, counted) if number > 0 and (counted or number != 1.0) else None

    def _next(self) -> re.Match[str] | None:
        match = _TOKEN.match(self._text, self._at)
        if match is None and self._text[self._at :].strip():
            raise ValueError("no word")
        return match

    def _terms(self, closing: bool) -> tuple[float, Counter[str]]:
        number, counted = 1.0, Counter[str]()
        sign, wanted, first = 1, True, True
        while (token := self._next()) is not None:
            self._at = token.end()
            mark = token["sign"]
            if mark == ")":
                if not closing or wanted:
                    raise ValueError("a bracket too many")
                return number, counted
            if mark in ("/", "*", ".", "·"):
                if wanted and not (mark == "/" and first):  # "/day" may follow words of water
                    raise ValueError("two signs")
                sign, wanted, first = (-1 if mark == "/" else 1), True, False
                continue
            if mark == "(":
                value, inner = self._terms(closing=True)
            elif mark:
                raise ValueError("a power of nothing")
            elif token["number"]:
                if not (first or sign < 0):
                    raise ValueError("a number behind a unit")
                value, inner = self._number(token), Counter[str]()
                if sign < 0 and (after := self._next()) is not None and after["word"]:  # per 6 hours
                    self._at = after.end()
                    inner = self._word(after)
            else:
                value, inner = 1.0, self._word(token)
            number *= value**sign
            for name, power in inner.items():
                counted[name] += sign * power
            sign, wanted, first = 1, False, False
        if closing or wanted:
            raise ValueError("unfinished")
        return number, counted

    def _number(self, token: re.Match[str]) -> float:
        number = float(token["number"])
        tens = token["tens"] or token["tens_in"]
        value = number ** int(tens) if tens else number
        if not 0 < value < 1e30:
            raise ValueError("no scale")
        return value

    def _word(self, token: re.Match[str]) -> Counter[str]:
        name = _name(token["word"], self._shouted)
        if name is None:
            raise ValueError(token["word"])
        power = int(token["raised"] or token["raised_in"] or token["power"] or 1)
        return Counter({name: power})
