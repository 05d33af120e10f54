"""What a caller asks of the engine, as plain data; the same for worker, command line and Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.contract import MOST_COHERENT_DAYS, MOST_LEVELS, MOST_MEMBERS
from engine.dates import When
from engine.errors import InputError
from engine.pipeline.request_check import check_request
from engine.raster.reference import GridRequest, RasterRef, in_full

LEAST_COHERENT_DAYS = 0.01  # a quarter of an hour


@dataclass(frozen=True)
class EnsembleRequest:
    """How many members to draw, and the files made of them beside the main output, which is their mean."""

    members: int
    spread: str | None = None  # the file of their standard deviation
    quantiles: str | None = None  # the file of their quantiles, a band for each level
    levels: tuple[float, ...] = (0.1, 0.5, 0.9)
    member_file: str | None = None  # the file of the members, a band for each
    support: str | None = None  # the file of the supported share of the detail
    coherence: float = 0.0  # days over which a member's noise changes; 0: each date has its own

    @property
    def files(self) -> dict[str, str]:
        """The files asked for, by what they hold."""
        asked = {
            "spread": self.spread,
            "quantiles": self.quantiles,
            "members": self.member_file,
            "support": self.support,
        }
        return {name: path for name, path in asked.items() if path}

    def check(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            InputError: too few or too many members, or a level that is none.
        """
        if not 2 <= self.members <= MOST_MEMBERS:
            raise InputError(f"An ensemble needs 2 to {MOST_MEMBERS} members, not {self.members}.")
        if not 1 <= len(self.levels) <= MOST_LEVELS:
            raise InputError(f"Give 1 to {MOST_LEVELS} quantiles, not {len(self.levels)}.")
        for level in self.levels:
            if not 0 < level < 1:
                raise InputError(f"The quantile {level:g} is not between 0 and 1.")
        if len(set(self.levels)) < len(self.levels):
            raise InputError("A quantile is asked for twice.")
        if self.coherence and not LEAST_COHERENT_DAYS <= self.coherence <= MOST_COHERENT_DAYS:
            raise InputError(
                f"The coherence must be 0, or from {LEAST_COHERENT_DAYS:g} to {MOST_COHERENT_DAYS} days, not "
                f"{self.coherence:g}."
            )

    def check_dates(self, dates: Sequence[When | None]) -> None:
        """Refuse dates that members cannot be coherent over.

        Raises:
            InputError: there is coherence, and a date without a year and a month.
        """
        if self.coherence and any(when is None or when.year is None or when.month is None for when in dates):
            raise InputError(
                f"A coherence of {self.coherence:g} days needs dates with years and months: leave it out, or "
                "give a target with dates."
            )


@dataclass(frozen=True)
class SuperResolveRequest:
    """One super-resolution job.

    `model` is a package's id or folder, or a baseline's id; a baseline needs `factor`.
    """

    model: str
    target: RasterRef
    output: str
    sources: dict[str, RasterRef] = field(default_factory=dict)
    grid: GridRequest | None = None
    factor: int | None = None  # baselines only, None: as the grid says; a model has its own
    quantity: str = "auto"  # baselines only: nonnegative, signed, or auto (from units and values)
    date: str | None = None  # YYYY, YYYY-MM, YYYY-MM-DD, YYYY-MM-DDTHH:MM, or --MM / MM: any year
    all_dates: bool = False
    aggregate: str | None = None  # steps of a date made one: day:mean, day:sum, month:mean, month:sum
    conservation: float | None = None  # 0..1; None: the model's own
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps
    precision: str = "auto"  # auto, float32, bfloat16
    tile: int = 0  # tile edge in coarse cells; 0: chosen by memory
    seed: int = 0
    ensemble: EnsembleRequest | None = None  # None: the model's one estimate
    expected_error: str | None = None  # the file of the error that the method expects, where it tells it
    supported_share: str | None = None  # the file of the supported share of the detail, likewise
    domain: RasterRef | None = None  # fine cells that count: any number but 0; None: the model's own, or all
    overwrite: bool = True
    models: tuple[str, ...] = ()  # folders that hold packages, searched before the shipped ones

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SuperResolveRequest:
        """Build a request from a message.

        Raises:
            InputError: an unknown or missing key, or a value of the wrong kind.
        """
        check_request(data)
        read = dict(data)
        read["target"] = RasterRef(**data["target"])
        read["sources"] = {name: RasterRef(**ref) for name, ref in (data.get("sources") or {}).items()}
        read["domain"] = RasterRef(**data["domain"]) if data.get("domain") else None
        read["grid"] = GridRequest(**_tupled(data["grid"])) if data.get("grid") else None
        if data.get("ensemble"):
            read["ensemble"] = EnsembleRequest(**_tupled(data["ensemble"]))
        read["models"] = tuple(data.get("models") or ())
        return cls(**read)

    def to_json(self) -> dict[str, Any]:
        """Return the message that `from_json` reads."""
        message: dict[str, Any] = in_full(asdict(self))
        return message


def _tupled(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


@dataclass
class SourceReport:
    """What became of one input raster."""

    name: str
    path: str
    grid: str  # the grid found, in words: size, resolution, CRS
    resampling: str  # and the grid that it went to
    covered: float  # share of the output's cells that it covers, 0..1
    outside_range: float  # share of its values outside the range seen in training, 0..1


@dataclass
class SuperResolveResult:
    """What a job returns; every number also reaches the plugin as an output."""

    output: str
    residual: float  # largest |aggregate of the output − coarse target| on the working grid, target units
    residual_original: float  # the same against the raster as given
    outside_range: float  # largest share over all sources
    covered: float  # share of the output's cells that are valid
    tiles: int
    seconds: float
    precision: str
    device: str
    width: int
    height: int
    units: str = ""  # of the output's values
    nonnegative: bool = False  # whether they cannot be below zero
    members: int = 0  # 0: the model's one estimate
    outputs: dict[str, str] = field(default_factory=dict)  # further files, by what they hold
    dates: list[str] = field(default_factory=list)
    sources: list[SourceReport] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    sharpening: dict[str, Any] | None = None  # what a method learned from the coarse field, and expects
    finished: bool = False  # whether the files were there already, made by the same run
    change: dict[str, Any] | None = None  # of the mean, from earlier years to later ones: coarse and fine

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def output_path(request: SuperResolveRequest) -> Path:
    """Return the output's absolute path."""
    return Path(request.output).expanduser().absolute()
