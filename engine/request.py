"""What a caller asks of the engine, as plain data; the same for worker, command line and Python."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import InputError


@dataclass(frozen=True)
class RasterRef:
    """A raster that the user names: a path (or GDAL name, such as NETCDF:"f.nc":t2m) and a band."""

    path: str
    band: int | None = None  # 1-based; None: the band that the date picks, else the first
    crs: str | None = None  # the user's, for a file that says none

    @classmethod
    def parse(cls, text: str) -> RasterRef:
        """Read `RASTER` or `RASTER#BAND` (1-based).

        Raises:
            InputError: what follows `#` at the end is a number below 1.
        """
        path, mark, band = text.rpartition("#")
        if not mark or not band.lstrip("-").isdigit():
            return cls(text)
        if int(band) < 1:
            raise InputError(f"Band {band} of {path} does not exist: bands are counted from 1.")
        return cls(path, int(band))


@dataclass(frozen=True)
class GridRequest:
    """An output grid other than the target's own: a reference raster, or CRS + resolution + extent."""

    like: str | None = None
    crs: str | None = None
    resolution: float | tuple[float, float] | None = None  # CRS units; (x, y)
    extent: tuple[float, float, float, float] | None = None  # xmin, ymin, xmax, ymax in crs


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
    factor: int | None = None  # baselines only; a model has its own
    quantity: str = "auto"  # baselines only: nonnegative, signed, or auto (from units and values)
    date: str | None = None  # YYYY, YYYY-MM, YYYY-MM-DD, or --MM / MM for a month of any year
    all_dates: bool = False
    conservation: float | None = None  # 0..1; None: the model's own
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps
    precision: str = "auto"  # auto, float32, bfloat16
    tile: int = 0  # tile edge in coarse cells; 0: chosen by memory
    seed: int = 0
    overwrite: bool = True
    models: tuple[str, ...] = ()  # folders that hold packages, searched before the shipped ones

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SuperResolveRequest:
        """Build a request from a message.

        Raises:
            InputError: an unknown or missing key, or a value of the wrong kind.
        """
        data = dict(data)
        unknown = sorted(set(data) - set(cls.__dataclass_fields__))
        if unknown:
            raise InputError(f"The request has an unknown key: {unknown[0]}.")
        for key in ("model", "target", "output"):
            if not data.get(key):
                raise InputError(f"The request lacks {key}.")
        try:
            data["target"] = RasterRef(**data["target"])
            data["sources"] = {n: RasterRef(**r) for n, r in (data.get("sources") or {}).items()}
            if data.get("grid"):
                grid = dict(data["grid"])
                for key in ("extent", "resolution"):
                    if isinstance(grid.get(key), list):
                        grid[key] = tuple(grid[key])
                data["grid"] = GridRequest(**grid)
            data["models"] = tuple(data.get("models") or ())
        except (TypeError, AttributeError) as error:
            raise InputError(f"The request is malformed: {error}.") from error
        request = cls(**data)
        for name, ref in {"target": request.target, **request.sources}.items():
            if not isinstance(ref.path, str) or not isinstance(ref.band, int | None):
                raise InputError(
                    f"The request's {name} needs a path and, if any, a whole number as its band."
                )
        for key, kinds in _KINDS.items():
            if not isinstance(getattr(request, key), kinds):
                raise InputError(f"The request's {key} is of the wrong kind: {getattr(request, key)!r}.")
        return request

    def to_json(self) -> dict[str, Any]:
        """Return the message that `from_json` reads."""
        return asdict(self)


_KINDS: dict[str, Any] = {
    "model": str,
    "output": str,
    "factor": int | None,
    "date": str | None,
    "all_dates": bool,
    "conservation": int | float | None,
    "device": str,
    "tile": int,
    "seed": int,
}


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
    dates: list[str] = field(default_factory=list)
    sources: list[SourceReport] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def output_path(request: SuperResolveRequest) -> Path:
    """Return the output's absolute path."""
    return Path(request.output).expanduser().absolute()
