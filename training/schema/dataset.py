"""The description of a data set: one YAML file, validated before any raster is opened."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from engine import dates, units
from engine.dates import When
from engine.errors import InputError
from engine.source_kinds import KINDS
from training.schema.base import Positive, Section, Share
from training.schema.problems import first_error
from training.schema.yaml_file import read_yaml

# Names that inputs of the network and coordinates of the store have already.
TAKEN = frozenset({"target", "base", "climatology", "target_coarse", "target_fine"}) | frozenset(
    {"time", "date", "channel", "spatial_ref", "x", "y", "fine_x", "fine_y"}
)
OF_CONFIGURATIONS = ("model", "data")  # keys that a description has not
FIELDS = {"year": r"\d{4}", "doy": r"\d{3}", **dict.fromkeys(("month", "day", "hour", "minute"), r"\d{2}")}


_STEP = re.compile(r"(?:([1-9]\d{0,3})\s+)?(minute|hour|day|month|year)s?")


def _text(value: Any) -> Any:
    """YAML reads 2001-05-01 as a date and 2001 as a number: both are meant as written."""
    if isinstance(value, dt.datetime):
        utc = value if value.tzinfo is None else value.astimezone(dt.timezone.utc)
        return utc.strftime("%Y-%m-%dT%H:%M")
    return str(value) if isinstance(value, (dt.date, int)) and not isinstance(value, bool) else value


def _date(value: str) -> str:
    if dates.find(value) is None:
        raise ValueError(
            "is no date (write YYYY-MM-DD, YYYY-MM-DDTHH:MM, YYYY-MM, YYYY, or --MM for any year)"
        )
    return value


DateText = Annotated[str, BeforeValidator(_text), Field(min_length=1)]
Limits = tuple[float | None, float | None]


class BandDates(Section):
    """Dates of bands that carry none: the first one's, and the step from band to band."""

    first: DateText
    step: str  # minute, hour, day, month or year, or several of them: 3 hours

    _real = field_validator("first")(_date)

    @field_validator("step")
    @classmethod
    def _counted(cls, value: str) -> str:
        if not _STEP.fullmatch(value.strip()):
            raise ValueError("is no step (write hour, 3 hours, 30 minutes, day, 8 days, month or year)")
        return value.strip()

    @model_validator(mode="after")
    def _fine_enough(self) -> BandDates:
        when, (_, unit) = dates.parse(self.first), self.counted
        if unit in ("hour", "minute") and (when.year is None or when.day is None):
            raise ValueError(f"first must be a day or a time for a step of {self.step}")
        return self

    @property
    def counted(self) -> tuple[int, str]:
        """How many of which unit the step is."""
        match = _STEP.fullmatch(self.step)
        if match is None:
            raise ValueError(f"{self.step} is no step")
        return int(match[1] or 1), match[2]


class RasterSection(Section):
    """Where the rasters of a variable are, and what they do not say themselves."""

    files: str | tuple[str, ...]  # a path, or a pattern such as rain/*.tif, from the YAML file's folder
    variable: str | None = None  # of NetCDF or Zarr
    date: str | None = None  # in a file's name: rain_{year}-{month}*.tif; {day}, {doy}, {hour}, {minute} too
    band_dates: BandDates | None = None  # of bands that carry no dates
    # The steps of a date made one: day:mean, day:sum, month:mean, month:sum.
    aggregate: Literal["day:mean", "day:sum", "month:mean", "month:sum"] | None = None
    band: Annotated[int, Field(ge=1)] | None = None  # of files with several bands for one date
    crs: str | None = None  # of files that say none
    file_units: str | None = None  # of files that say none, or wrong ones
    scale: float | None = None  # value = number in the file · scale + offset
    offset: float | None = None
    nodata: float | None = None

    @property
    def patterns(self) -> tuple[str, ...]:
        """The files as a tuple."""
        return (self.files,) if isinstance(self.files, str) else self.files

    @field_validator("date")
    @classmethod
    def _pattern(cls, value: str | None) -> str | None:
        if value is not None:
            named = re.findall(r"\{(\w*)\}", value)
            unknown = [n for n in named if n not in FIELDS]
            if unknown or not named:
                raise ValueError(
                    "must hold {year}, {month}, {day}, {doy}, {hour} or {minute}, and no other braces"
                )
        return value

    @field_validator("scale")
    @classmethod
    def _not_zero(cls, value: float | None) -> float | None:
        if value == 0:
            raise ValueError("must not be 0: every value would be the offset")
        return value

    @field_validator("file_units")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        return _unit(value) if value is not None else None


def _unit(value: str) -> str:
    if value and not units.known(value):
        raise ValueError("is a unit that cannot be read (write m, mm/day, degC, K …)")
    return value


def _limits(value: Limits | None) -> Limits | None:
    if value is not None:
        low, high = value
        if low is not None and high is not None and low >= high:
            raise ValueError("must go from low to high")
    return value


class VariableSection(Section):
    """What a variable is."""

    title: str = ""
    units: str = ""  # in the store; files in other units are converted
    valid_range: Limits | None = None  # in these units; what lies outside is taken as missing

    _units = field_validator("units")(_unit)
    _range = field_validator("valid_range")(_limits)


class DatasetTarget(VariableSection):
    """The variable to be downscaled.

    Fine truth with coarse "aggregate": the truth and its own means. Both given: the truth and an
    independent coarse product. No fine truth: a coarse product alone.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    fine: RasterSection | None = None
    coarse: RasterSection | Literal["aggregate"] = "aggregate"
    weights: Literal["count", "area"] = "count"  # how the coarse cells average their fine ones
    min_cover: Share = 0.0  # "aggregate": least share of valid fine cells; coarse cells below are missing

    @model_validator(mode="after")
    def _something(self) -> DatasetTarget:
        if self.fine is None and self.coarse == "aggregate":
            raise ValueError("coarse is to be the aggregate of fine, but fine is not given")
        return self

    @property
    def mode(self) -> Literal["aggregate", "independent", "coarse"]:
        """How the pair comes about."""
        if self.fine is None:
            return "coarse"
        return "aggregate" if self.coarse == "aggregate" else "independent"


def _known_kind(name: Any) -> Any:
    known = [kind for kind, traits in KINDS.items() if not traits.of_target]
    if name in known:
        return name
    *first, last = known
    raise ValueError(f"must be {', '.join(first)} or {last}")


KindName = Annotated[str, BeforeValidator(_known_kind)]


class DatasetSource(VariableSection, RasterSection):
    """A source. On the coarse grid, a finer raster is averaged onto it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    grid: Literal["coarse", "fine"]
    dynamic: bool = False  # one raster for each date
    kind: KindName = "continuous"
    classes: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> DatasetSource:
        if self.name in TAKEN:
            raise ValueError(f"a source cannot be named {self.name}: the name is taken")
        if KINDS[self.kind].wants_classes and not self.classes:
            raise ValueError(
                f"source {self.name}: list the numbers of the classes that count, as classes: [1, 2]"
            )
        if self.classes and not KINDS[self.kind].wants_classes:
            raise ValueError(f"source {self.name}: only a source of kind: class has classes")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"source {self.name}: a class is listed twice")
        if self.dynamic and KINDS[self.kind].wants_classes:
            raise ValueError(f"source {self.name}: classes that change with time are not supported")
        return self


class GridSection(Section):
    """The coarse grid; the fine one divides each cell into factor × factor.

    A raster whose grid it is, or CRS, resolution of the coarse cells and extent, each of which is
    the target's own when absent.
    """

    like: str | None = None
    crs: str | None = None
    resolution: Positive | tuple[Positive, Positive] | None = None  # units of the CRS; x, y
    extent: tuple[float, float, float, float] | None = None  # xmin, ymin, xmax, ymax

    @model_validator(mode="after")
    def _one_way(self) -> GridSection:
        if self.like is not None and (self.crs or self.resolution or self.extent):
            raise ValueError("like says all of the grid: leave crs, resolution and extent out")
        return self


class Dataset(Section):
    """A whole data set."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(min_length=1)
    citation: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    simulated: bool = False
    factor: Annotated[int, Field(ge=2, le=100)]
    grid: GridSection | None = None
    period: tuple[DateText, DateText] | None = None  # first and last date
    # Dates of the target that a source lacks: kept (the source is missing then), dropped, or an error.
    missing: Literal["keep", "drop", "stop"] = "keep"
    target: DatasetTarget
    sources: tuple[DatasetSource, ...] = ()

    @field_validator("period")
    @classmethod
    def _dates(cls, value: tuple[str, str] | None) -> tuple[str, str] | None:
        for text in value or ():
            _date(text)
            if dates.parse(text).year is None:
                raise ValueError("a period needs years")
        if value is not None and _first(value[0]) > _last(value[1]):
            raise ValueError("the period ends before it begins")
        return value

    @model_validator(mode="after")
    def _unique(self) -> Dataset:
        names = [s.name for s in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"source {name} is listed twice")
        return self

    def within(self, when: When) -> bool:
        """Return whether a date lies in the period, as far as its precision tells."""
        if self.period is None or when.year is None:
            return True
        return _first(self.period[0]) <= _key(when, _LAST) and _key(when, _FIRST) <= _last(self.period[1])


_FIRST, _LAST = (0, 1, 1, 0, 0), (9999, 12, 31, 23, 59)


def _key(when: When, unknown: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(other if own is None else own for own, other in zip(when.parts, unknown, strict=True))


def _first(text: str) -> tuple[int, ...]:
    return _key(dates.parse(text), _FIRST)


def _last(text: str) -> tuple[int, ...]:
    return _key(dates.parse(text), _LAST)


def load_dataset(path: str | Path) -> Dataset:
    """Read and validate the description of a data set.

    Raises:
        InputError: no such file, no YAML, or a wrong key; the sentence names file and key.
    """
    data = read_yaml(path)
    try:
        return Dataset.model_validate(data)
    except ValidationError as error:
        raise InputError(first_error(error, str(path))) from error


def is_description(settings: Mapping[str, Any]) -> bool:
    """Return whether the keys of a YAML file are those of a data set's description, not a configuration's."""
    return "target" in settings and not any(key in settings for key in OF_CONFIGURATIONS)
