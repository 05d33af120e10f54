"""Units of rasters: read as people write them, compared and converted by pint, by date where that matters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from engine.dates import When
from engine.errors import InputError
from engine.quantities.periods import DAY, month_seconds, year_seconds
from engine.quantities.registry import in_base, linear, product, registry
from engine.quantities.unit import WATER_DENSITY, Unit, is_blank, read, scaled_words

_GRAVITY = 9.80665  # m s-2, WMO's: geopotential over it is height
_GEOMETRIC = re.compile(r"depth|thickness|elevation|altitude|height|orography|topography|\bdem\b|\bsnd\b")
_EQUIVALENT = re.compile(
    r"water.?equivalent|\bs?lwe\b|lwe_|\bswe\b|snow_amount|\bsnw\b|snow.?mass|\bequivalent"
)
_SNOW_DEPTH = re.compile(r"snow.?(depth|height|thickness)|\bsnd\b|\bsde\b")
_RUNNING = re.compile(
    r"\b(?:accumulated total|cumulative)|\bsince (?:the )?(?:start|beginning|initiali[sz]ation)"
)
_INTERVAL = re.compile(r"interval:\s*([\d.]+)\s*([A-Za-z]+)")
_MEANS = re.compile(r"(?:^|\s)(?:time|t|valid_time)\s*:\s*(?:mean|average)", re.IGNORECASE)
_SUMS = re.compile(r"(?:^|\s)(?:time|t|valid_time)\s*:\s*sum", re.IGNORECASE)
_PERIODS = ("week", "day", "hour", "minute", "second")
_DAILY_MEANS = ("avgad", "avgas", "avgua", "avgid", "avgia")  # GRIB: averages of daily sums over a month


@dataclass(frozen=True)
class Linear:
    """value in the wanted units = value · factor + offset."""

    factor: float = 1.0
    offset: float = 0.0

    @property
    def identity(self) -> bool:
        """True when nothing changes."""
        return self.factor == 1.0 and self.offset == 0.0


@dataclass(frozen=True)
class Conversion(Linear):
    """A conversion that may depend on the date: ask `at` for it.

    `factor` and `offset` are those without lengths of months, years and steps, which come on top as
    powers.

    Attributes:
        given, wanted, label: as in `plan`; `given` is "" where the file says none.
        months, years: powers of the lengths of the date's month and year, in seconds.
        steps: power of the length of the band's own step, in seconds.
        step: that step where it is known, such as "month" or "6 hours".
        own: days of each date's own step, where they differ.
        period: what the wanted rate is per: day, month …
    """

    given: str = ""
    wanted: str = ""
    label: str = ""
    months: int = 0
    years: int = 0
    steps: int = 0
    step: str = ""
    period: str = ""
    own: Mapping[When, int] = field(default_factory=dict, compare=False)

    @property
    def identity(self) -> bool:
        """True when nothing changes on any date."""
        return super().identity and not self.by_date

    @property
    def by_date(self) -> bool:
        """True when the date tells the factor."""
        return bool(self.months or self.years or self.steps)

    @property
    def assumed(self) -> bool:
        """True when the file says no unit, and is taken to be in the wanted ones."""
        return not self.given and bool(self.wanted)

    def describe(self) -> str:
        """Return in words what was understood, for a report; "" when no units are wanted."""
        if not self.wanted:
            return self.given
        if not self.given:
            return f"says no unit, taken as {self.wanted}"
        if self.identity:
            return self.given
        how = ""
        if self.steps:
            each = "" if self.own else self.step
            how = f", the sum over {each or 'the time of its date'}"
        elif self.by_date:
            how = ", by the length of each month" if self.months else ", by the length of each year"
        return f"{self.given} → {self.wanted}{how}"

    def at(self, when: When | None = None) -> Linear:
        """Return the conversion of one band.

        Args:
            when: the band's date; for a band that carries none, the date that is asked for. A month
                of any year has its mean length, and so have all where no date is known.

        Raises:
            InputError: an amount is given, a rate wanted, and the date does not tell the time it is
                the sum of.
        """
        if not self.by_date:
            return Linear(self.factor, self.offset)
        month, year = month_seconds(when), year_seconds(when)
        factor = self.factor * month**self.months * year**self.years
        if self.steps:
            days = self.own.get(when, 0) if when is not None else 0
            step = read(f"{days} days" if days else self.step or self._own_step(when)) or Unit()
            length = step.factor * (in_base(step.powers) or 1.0) * month**step.months * year**step.years
            factor *= length**self.steps
        return Linear(_tidy(factor), self.offset)

    def _own_step(self, when: When | None) -> str:
        if when is not None and when.day is None:
            return "year" if when.month is None else "month"
        if when is not None and when.hour is None and self.period == "day":
            return "day"
        why = "no date tells" if when is None else f"the date {when} does not tell"
        raise InputError(
            f"{self.label} is in {self.given}, an amount, but {self.wanted}, a rate, is wanted, and {why} "
            f"over which time it is the sum: {_state(self.label, f'{self.given}/day or {self.given}/month')}."
        )


def ready() -> None:
    """Make pint's registry, so that a broken installation is found before any work.

    Raises:
        EngineError: pint cannot be imported.
    """
    registry()


def known(text: str | None) -> bool:
    """Return whether a text is a unit that is understood."""
    return text is not None and not is_blank(text) and read(text) is not None


def is_temperature(text: str | None) -> bool:
    """Return whether a text is a unit of temperature."""
    unit = read(text) if text else None
    return unit is not None and unit.dimensions == {"temperature": 1}


def is_kelvin(text: str | None) -> bool:
    """Return whether a text is kelvin, not a multiple of it."""
    return bool(text) and read(text or "") == Unit(powers=(("kelvin", 1),))


def is_water(text: str | None) -> bool:
    """Return whether a unit is one of depths or masses of water, as rain and snow have them, or per time."""
    unit = read(text) if text else None
    if unit is None:
        return False
    depth = any(name == "millimeter" for name, _ in unit.powers) or unit.water
    mass = {"mass": 1.0, "length": -2.0}
    return unit.dimensions in (mass, {**mass, "time": -1.0}) or (
        unit.dimensions in ({"length": 1.0}, {"length": 1.0, "time": -1.0}) and depth
    )


def conversion(given: str, wanted: str, label: str) -> Conversion:
    """Return `plan` for what says nothing of itself but its unit."""
    return plan(given, wanted, label)


def plan(
    given: str,
    wanted: str,
    label: str,
    quantity: str = "",
    said: Mapping[str, str] | None = None,
    step: str = "",
) -> Conversion:
    """Return the conversion of a raster from the unit that it says to the one that is wanted.

    Args:
        given: the unit as the file (or the user) says it; blank words such as "none" count as "".
        wanted: the unit of the card or data set; "" keeps the file's.
        label: the raster's name in the sentence of an error.
        quantity: name or title of what is wanted, such as snow_depth, which tells depth from water
            equivalent.
        said: what the file says of the variable: CF's standard_name, long_name and cell_methods,
            GRIB_stepType, its name. Keys in any case; None: nothing.
        step: the time from band to band in words, "6 hours" or "day", from `TimeAxis.step` or
            `engine.quantities.periods.step_of`; "": a band's date tells, where it names no day.

    Raises:
        InputError: the unit is not understood, measures something else, or leaves open what it means.
        EngineError: pint cannot be imported.
    """
    facts = tuple(sorted((k.lower(), str(v)) for k, v in (said or {}).items()))
    return _plan(given.strip(), wanted.strip(), label, quantity, facts, step)


@lru_cache(maxsize=256)
def _plan(
    given: str,
    wanted: str,
    label: str,
    quantity: str,
    said: tuple[tuple[str, str], ...],
    step: str,
) -> Conversion:
    given = "" if is_blank(given) else given
    blank, facts = Conversion(given=given, wanted=wanted, label=label), dict(said)
    if not given or not wanted:
        return blank
    source, goal = read(given), read(wanted)
    if source is not None and goal is not None:
        _tell_depth_from_water(source, goal, f"{label} {quantity}", facts, blank)
    if given == wanted:
        return blank
    if source is None:
        raise InputError(_not_understood(blank))
    if goal is None:
        raise InputError(
            f"{label} is wanted in {wanted}, which is no unit that is understood, but is in {given}: convert "
            f"it, and {_state(label, wanted)}."
        )
    return _between(source, goal, blank, quantity, facts, step)


def _between(
    source: Unit, goal: Unit, blank: Conversion, quantity: str, facts: Mapping[str, str], step: str
) -> Conversion:
    """Return the conversion between two units that are understood, in SI's base units all along."""
    have, want = source.dimensions, goal.dimensions
    gap = {name: have.get(name, 0.0) - want.get(name, 0.0) for name in have.keys() | want.keys()}
    gap = {name: power for name, power in gap.items() if power}
    factor, steps = source.factor / goal.factor, 0
    for side, density in ((want, 1.0), (have, -1.0)):
        if _is_depth(side) and gap.get("mass") == density and gap.get("length") == -3 * density:
            factor *= WATER_DENSITY**-density
            gap = {name: power for name, power in gap.items() if name == "time"}
    geopotential = have == {"length": 2.0, "time": -2.0} and want == {"length": 1.0}
    if geopotential and _GEOMETRIC.search(f"{blank.label} {quantity}".lower()):
        factor, gap = factor / _GRAVITY, {}
    if gap == {"time": 1.0} and _may_be_amount(goal):  # and a rate is wanted
        steps, seconds = _summed_over(blank, facts, step)
        factor /= seconds
    elif gap == {"time": -1.0} and _period(source):
        raise InputError(
            f"{blank.label} is in {blank.given}, a rate, but {blank.wanted}, an amount, is wanted: sum it "
            f"up, and {_state(blank.label, blank.wanted)}."
        )
    elif gap or source.angles != goal.angles:
        raise InputError(_cannot(blank))
    kinds = {source.ratio, goal.ratio}
    if not have and "mass" in kinds and kinds & {"space", "parts"}:
        raise InputError(_cannot(blank))
    scaled = replace(
        blank,
        months=source.months - goal.months,
        years=source.years - goal.years,
        steps=steps,
        step=step,
        period=_period(goal),
    )
    if len(source.powers) == len(goal.powers) == 1 and not scaled.by_date and have == want:
        line = linear(product(source.powers), product(goal.powers))
        if line is None:
            raise InputError(_cannot(blank))
        return replace(
            scaled, factor=_tidy(line[0] * source.factor / goal.factor), offset=line[1] / goal.factor
        )
    number = in_base([*source.powers, *((name, -power) for name, power in goal.powers)])
    if number is None:
        raise InputError(_cannot(blank))
    return replace(scaled, factor=_tidy(factor * number))


def _summed_over(blank: Conversion, facts: Mapping[str, str], step: str) -> tuple[int, float]:
    """Return over what an amount is the sum: the power of the band's own step, and seconds to divide by."""
    given, label = blank.given, blank.label
    methods, kind = facts.get("cell_methods", ""), facts.get("grib_steptype", "").lower()
    unit = read(step) if step else None
    fine = unit is not None and not unit.months and not unit.years  # of hours or days
    if kind in _DAILY_MEANS and not fine:
        return 0, DAY
    if kind in _DAILY_MEANS or (_MEANS.search(methods) and not _SUMS.search(methods)):
        match = _INTERVAL.search(methods)
        time = read(match[0].partition(":")[2]) if match else None
        if time is not None and time.dimensions == {"time": 1.0} and not time.months and not time.years:
            return 0, time.factor * (in_base(time.powers) or DAY)
        raise InputError(
            f"{label} says {given} and that it is a mean over time, but {blank.wanted} is wanted, and the "
            f"file does not say which time's amount is averaged: {_state(label, f'{given}/day')}."
        )
    words = " ".join(facts.get(key, "") for key in ("long_name", "description", "grib_name")).lower()
    if fine and ((kind == "accum" and step != "day") or _RUNNING.search(words)):
        raise InputError(
            f"{label} says {given}, accumulated, but {blank.wanted} is wanted, and the file does not say "
            f"whether since the step before or since the forecast's start: then take differences, and "
            f"{_state(label, f'{given}/hour')}."
        )
    return -1, 1.0


def _tell_depth_from_water(
    source: Unit, goal: Unit, name: str, facts: Mapping[str, str], blank: Conversion
) -> None:
    """Refuse a water equivalent for a depth or height, and a depth of snow for a water equivalent."""
    name = name.lower().replace("_", " ")
    keys = ("standard_name", "long_name", "name", "variable", "grib_name", "grib_shortname")
    words = " ".join(facts.get(key, "") for key in keys).lower().replace("_", " ")
    length = {"length": 1.0}
    for_water = goal.water or _is_mass_of_water(goal) or bool(_EQUIVALENT.search(name))
    is_water = source.water or _is_mass_of_water(source) or bool(_EQUIVALENT.search(words))
    if is_water and not for_water and goal.dimensions == length and _GEOMETRIC.search(name):
        raise InputError(
            f"{blank.label} is a water equivalent ({blank.given}), but a depth or height in {blank.wanted} "
            f"is wanted, and snow is 3 to 10 times as deep as its water: give the depth, or "
            f"{_state(blank.label, blank.wanted)} if it is one."
        )
    if for_water and not is_water and source.dimensions == length and _SNOW_DEPTH.search(words):
        raise InputError(
            f"{blank.label} is a depth of snow in {blank.given}, but a water equivalent in {blank.wanted} is "
            f"wanted, a third to a tenth of it: give the water equivalent."
        )


def _may_be_amount(rate: Unit) -> bool:
    """Return whether what a rate is per may be a step of time: m/s is a speed, and W m-2 a flux."""
    power = any(name.endswith(("watt", "W")) for name, _ in rate.powers)
    return power or _period(rate) not in ("", "second") or "mass" in rate.dimensions


def _is_mass_of_water(unit: Unit) -> bool:
    return unit.dimensions == {"mass": 1.0, "length": -2.0}


def _is_depth(dimensions: Mapping[str, float]) -> bool:
    """Return whether dimensions are those of a depth of water, or of one per time."""
    return dimensions.get("length") == 1.0 and "mass" not in dimensions


def _period(unit: Unit) -> str:
    """Return what a rate is per: day, month …; "" for what is no rate."""
    if unit.months < 0 or unit.years < 0:
        return "month" if unit.months < 0 else "year"
    return next((name for name, power in unit.powers if power < 0 and name in _PERIODS), "")


def _tidy(factor: float) -> float:
    """Take away what the last digits of doubles add: 0.30479999999999996 is 0.3048."""
    short = float(f"{factor:.12g}")
    return short if abs(short - factor) <= 1e-13 * abs(factor) else factor


def _state(label: str, example: str) -> str:
    how = "file_units" if "." in label else f"--units {label}=UNIT; file_units in a data set"
    return f"state its unit, such as {example} ({how})"


def _not_understood(blank: Conversion) -> str:
    tens = scaled_words(blank.given)
    if tens:
        plain = blank.given.strip(f"{tens}. ").strip("*x× ")
        which = f"which may mean numbers {tens} times too large or steps of {tens} {plain}"
        return (
            f"{blank.label} is in {blank.given!r}, {which}: "
            f"{_state(blank.label, f'{1 / int(tens):g} {plain} or {tens} {plain}')}."
        )
    return (
        f"{blank.label} is in {blank.given!r}, which is no unit that is understood, but {blank.wanted} is "
        f"wanted: {_state(blank.label, blank.wanted)}."
    )


def _cannot(blank: Conversion) -> str:
    return (
        f"{blank.label} is in {blank.given}, but {blank.wanted} is wanted, and one cannot be converted into "
        f"the other: check that the right raster and band are given, or {_state(blank.label, blank.wanted)}."
    )
