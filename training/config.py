"""The training configuration: one YAML file, validated before anything long starts."""

from __future__ import annotations

import calendar
import datetime as dt
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from engine import dates
from engine.card import GENERIC_IDS
from engine.errors import InputError

Month = Annotated[int, Field(ge=1, le=12)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """Base: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelSection(Section):
    """The package that training ends with."""

    id: str = Field(pattern=r"^[a-z][a-z0-9]*$")
    name: str = Field(min_length=1)
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    description: str = ""
    licence: str = Field(min_length=1)
    citation: str = Field(min_length=1)

    @field_validator("id")
    @classmethod
    def _not_generic(cls, value: str) -> str:
        if value in GENERIC_IDS:
            raise ValueError(f"{value} is the id of a generic algorithm")
        return value


class DataSection(Section):
    """Which data set, and what its reader wants to know."""

    name: str
    options: dict[str, Any] = {}


class TargetSection(Section):
    """The variable that is downscaled; name, units and grid come from the data set."""

    transform: Literal["identity", "log1p", "cuberoot"] = "identity"
    scale: Positive = 1.0  # transform(value / scale)
    bounds: tuple[float | None, float | None] = (None, None)
    conservation: Literal["multiplicative", "additive"] = "additive"
    strength: Share = 1.0


class SourceSection(Section):
    """One source of the data set that the model may use."""

    name: str
    optional: bool = True
    derived: tuple[str, ...] = ()  # features computed from it, e.g. slope, aspect, land
    kernel_months: Positive = 0.7  # climatology: band weights exp(−cyclic distance / kernel)
    default: bool = False  # ship the raster with the model, for users who give none
    dropout: Share = 0.0  # chance that a training step goes without it


class TemporalSplit(Section):
    """Train and test by month."""

    kind: Literal["temporal"]
    train: tuple[Month, ...] = Field(min_length=1)
    test: tuple[Month, ...] = Field(min_length=1)
    gap: Annotated[int, Field(ge=0, le=5)] = 0  # training months this near a test month are left out

    @model_validator(mode="after")
    def _apart(self) -> TemporalSplit:
        both = sorted(set(self.train) & set(self.test))
        if both:
            raise ValueError(f"month {both[0]} is in both train and test")
        if not self.train_months:
            raise ValueError("the gap leaves no month to train on")
        return self

    @property
    def train_months(self) -> tuple[int, ...]:
        """Months to train on: `train` less those within `gap` months of a test month."""
        near = {(t - 1 + d) % 12 + 1 for t in self.test for d in range(-self.gap, self.gap + 1)}
        return tuple(m for m in self.train if m not in near)

    @property
    def test_months(self) -> tuple[int, ...]:
        """Months to test on."""
        return self.test


Degrees = Annotated[float, Field(ge=-180, le=180)]


class SpatialSplit(Section):
    """Train and test by longitude (west to east, degrees), and by month as well."""

    kind: Literal["spatial"]
    train_longitudes: tuple[Degrees, Degrees]
    test_longitudes: tuple[Degrees, Degrees]
    train_months: tuple[Month, ...] = Field(min_length=1)
    test_months: tuple[Month, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _apart(self) -> SpatialSplit:
        for name in ("train_longitudes", "test_longitudes"):
            west, east = getattr(self, name)
            if west >= east:
                raise ValueError(f"{name} must go from west to east")
        (a, b), (c, d) = self.train_longitudes, self.test_longitudes
        if max(a, c) < min(b, d):
            raise ValueError("train_longitudes and test_longitudes overlap")
        return self


Day = Annotated[str, BeforeValidator(str)]  # YAML reads some dates as such


class PeriodSplit(Section):
    """Train and test by dates, of archives of several years; and by x coordinates as well, where given."""

    kind: Literal["period"]
    train: tuple[tuple[Day, Day], ...] = Field(min_length=1)  # first and last date of each period
    test: tuple[tuple[Day, Day], ...] = Field(min_length=1)
    # Training dates in a test period, or this near one, are left out (not where the columns differ).
    gap_days: Annotated[int, Field(ge=0)] = 0
    train_columns: tuple[float, float] | None = None  # from west to east, in the archive's CRS
    test_columns: tuple[float, float] | None = None

    # Of any year: which dates they are, the periods say.
    train_months: ClassVar[tuple[int, ...]] = tuple(range(1, 13))
    test_months: ClassVar[tuple[int, ...]] = tuple(range(1, 13))

    @model_validator(mode="after")
    def _apart(self) -> PeriodSplit:
        for name in ("train", "test"):
            for first, last in getattr(self, name):
                if day_span(first)[0] > day_span(last)[1]:
                    raise ValueError(f"{name}: the period {first} to {last} ends before it begins")
        both = (self.train_columns, self.test_columns)
        if (both[0] is None) != (both[1] is None):
            raise ValueError("train_columns and test_columns go together")
        if both[0] is not None and max(both[0][0], both[1][0]) < min(both[0][1], both[1][1]):
            raise ValueError("train_columns and test_columns overlap")
        return self

    def tests(self, date: str) -> bool:
        """Return whether a date is one to test on."""
        return self._near(date, self.test, 0)

    def trains(self, date: str) -> bool:
        """Return whether a date is one to train on."""
        apart = self.train_columns is not None or not self._near(date, self.test, self.gap_days)
        return apart and self._near(date, self.train, 0)

    @staticmethod
    def _near(date: str, periods: tuple[tuple[str, str], ...], gap: int) -> bool:
        first, last = day_span(date)
        return any(first - gap <= day_span(b)[1] and day_span(a)[0] <= last + gap for a, b in periods)


def day_span(text: str) -> tuple[int, int]:
    """Return the first and last day that a date with a year may mean, counted from year 1.

    Raises:
        ValueError: it is no date, or has no year.
    """
    when = dates.find(text)
    if when is None or when.year is None:
        raise ValueError(f"{text} is no date with a year (write YYYY-MM-DD, YYYY-MM or YYYY)")
    first = dt.date(when.year, when.month or 1, when.day or 1)
    month = when.month or 12
    last = dt.date(when.year, month, when.day or calendar.monthrange(when.year, month)[1])
    return first.toordinal(), last.toordinal()


class PointLoss(Section):
    """A loss between fields, cell by cell."""

    kind: Literal["l1", "charbonnier", "mse"] = "charbonnier"
    weight: NotNegative = 1.0
    epsilon: Positive = 0.05  # charbonnier: √(error² + epsilon²)


class AdversarialLoss(Section):
    """The discriminator's term, from step `start` on."""

    kind: Literal["hinge", "leastsquares"] = "hinge"
    weight: NotNegative = 0.01
    start: Annotated[int, Field(ge=0)] = 500
    ramp: Annotated[int, Field(ge=0)] = 0  # steps over which the weight grows from zero
    width: Annotated[int, Field(ge=4)] = 16  # channels of the discriminator's first stage
    rate: Positive = 4e-4


class ConservationLoss(Section):
    """|aggregate − coarse| before the conservation layer."""

    weight: NotNegative = 0.1


class LossesSection(Section):
    """What is minimised. The adversarial term belongs to it unless it is set to null.

    Errors are in units of the base's own (see training.yardstick), in each space.
    """

    reconstruction: PointLoss = PointLoss()  # in transformed space
    physical: tuple[PointLoss, ...] = (PointLoss(kind="mse"),)  # in the target's units
    adversarial: AdversarialLoss | None = AdversarialLoss()
    conservation: ConservationLoss = ConservationLoss()


class OptimiserSection(Section):
    """AdamW with a linear warm-up and a cosine decay."""

    rate: Positive = 2e-3
    final_rate: NotNegative = 1e-6
    weight_decay: NotNegative = 1e-4
    betas: tuple[Share, Share] = (0.9, 0.99)
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    clip: Positive = 1.0  # largest norm of the gradient
    ema: Share = 0.999  # decay of the averaged weights that are shipped


class SamplingSection(Section):
    """How training patches are drawn."""

    size: Annotated[int, Field(ge=1)] = 16  # coarse cells along a patch's edge
    batch: Annotated[int, Field(ge=1)] = 4
    wet_bias: Share = 0.0  # share of patches drawn in proportion to the target's mean
    flip_horizontal: bool = False
    flip_vertical: bool = False
    # Non-negative targets: coarse field and truth of a patch times exp(N(0, jitter²)), so that its level
    # does not tell the place; errors count relative to that factor.
    jitter: Annotated[float, Field(ge=0, le=2)] = 0.0
    withheld_months: Annotated[int, Field(ge=1, le=11)] = 3  # cyclic block that a sample must not see
    without_sources: Share = 0.1  # chance that a training step goes without any source


class ValidationSection(Section):
    """Validation inside the training months; test months are never opened."""

    every: Annotated[int, Field(ge=1)] = 500
    score: Literal["rmse", "mae"] = "rmse"  # its mean over the cases chooses the weights that are kept
    cases: tuple[Literal["all", "without_climatology", "without_sources"], ...] = Field(
        default=("all",), min_length=1
    )
    held_out: tuple[Month, ...] = ()  # training months kept for validation, in training unseen
    held_out_longitudes: tuple[Degrees, Degrees] | None = None  # the same by longitude
    blocks: tuple[tuple[Month, ...], ...] = ()  # folds of `training.cross_validate`, by month
    longitude_blocks: tuple[tuple[Degrees, Degrees], ...] = ()  # or by longitude


class Config(Section):
    """A whole training run."""

    model: ModelSection
    data: DataSection
    factor: Annotated[int, Field(ge=2, le=100)]
    target: TargetSection
    sources: tuple[SourceSection, ...] = ()
    split: Annotated[TemporalSplit | SpatialSplit | PeriodSplit, Field(discriminator="kind")]
    network: dict[str, Any] = {}
    losses: LossesSection = LossesSection()
    optimiser: OptimiserSection = OptimiserSection()
    sampling: SamplingSection = SamplingSection()
    validation: ValidationSection = ValidationSection()
    steps: Annotated[int, Field(ge=1)]
    checkpoint_every: Annotated[int, Field(ge=1)] = 250
    # auto: the fastest on this machine, measured when the run starts; to the last digit, only runs
    # in the same precision and layout are the same.
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    layout: Literal["auto", "contiguous", "channels_last"] = "auto"
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _consistent(self) -> Config:
        names = [s.name for s in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"source {name} is listed twice")
        for month in self.validation.held_out:
            if month not in self.split.train_months:
                raise ValueError(f"validation.held_out: month {month} is no training month")
        if self.sampling.jitter and self.target.conservation != "multiplicative":
            raise ValueError("sampling.jitter is for targets that are conserved by ratio")
        if set(self.validation.held_out) >= set(self.split.train_months):
            raise ValueError("validation.held_out leaves no month to train on")
        return self


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_config(path: str | Path) -> Config:
    """Read and validate a configuration.

    Raises:
        InputError: no such file, no YAML, or a wrong key; the sentence names file and key.
    """
    return parse_config(read_yaml(path), str(path))


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file of keys and values.

    Raises:
        InputError: no such file, no YAML, a key that stands twice, or no keys.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise InputError(f"The configuration {path} cannot be read: {reason}.") from error
    try:
        data = yaml.load(text, Loader=_UniqueKeys)  # nosec B506: a SafeLoader, plain data only
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "no valid YAML"
        raise InputError(f"The configuration {path} is wrong{where}: {problem}.") from error
    if not isinstance(data, dict):
        raise InputError(f"The configuration {path} holds no keys.")
    return data


def parse_config(data: dict[str, Any], label: str = "configuration") -> Config:
    """Validate a configuration given as plain data.

    Raises:
        InputError: a wrong key, named in the sentence.
    """
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise InputError(first_error(error, label)) from error


def first_error(error: ValidationError, label: str) -> str:
    """Say the first of the errors in one sentence; unknown keys first, they explain missing ones."""
    errors = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    first = errors[0]
    key = ".".join(str(part) for part in first["loc"] if part not in ("temporal", "spatial", "period"))
    if first["type"] == "extra_forbidden":
        return f"{label}: there is no key {key}."
    if first["type"] == "missing":
        return f"{label}: the key {key} is missing."
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    given = first.get("input")
    told = f" (it is {given!r})" if isinstance(given, (str, int, float)) else ""
    return f"{label}: {key + ': ' if key else ''}{message}{told}."
