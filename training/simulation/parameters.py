"""The parameters of a nature run: validated, frozen, and known by one hash."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from engine.errors import InputError
from training.schema.base import NotNegative, Positive, Section, Share
from training.schema.problems import first_error
from training.schema.yaml_file import read_yaml

Correlation = Annotated[float, Field(ge=0, lt=1)]
Monthly = Annotated[tuple[float, ...], Field(min_length=12, max_length=12)]


class SimulatedGrid(Section):
    """Both grids: square cells in a metric CRS."""

    crs: str = "EPSG:3035"
    left: float = 4_000_000.0  # metres, of the upper left corner
    top: float = 2_800_000.0
    cell: Positive = 500.0  # metres, of a fine cell
    factor: Annotated[int, Field(ge=2, le=100)] = 32
    rows: Annotated[int, Field(ge=2)] = 8  # coarse cells
    columns: Annotated[int, Field(ge=1)] = 6  # coarse cells of each region
    latitude: Annotated[float, Field(ge=-66, le=66)] = 46.5  # degrees, for the sun
    blend: NotNegative = 10.0  # km over which neighbouring regions merge


class RegionSection(Section):
    """A band of columns with a landscape and a climate of its own."""

    name: str
    base: float  # metres, where its rivers leave the grid
    steepness: Positive  # k_s: slope of a river that drains 1 km²
    wetness: Positive = 1.0  # factor of precipitation
    warmth: float = 0.0  # K, added to the air temperature


class TerrainSection(Section):
    """Rivers in balance with uplift, see terrain."""

    wavelength: Positive = 60.0  # km, longest octave of the noise that the first rivers run on
    slope: NotNegative = 0.8  # its amplitude falls with wavelength ^ slope
    start: Positive = 300.0  # metres, its spread
    dome: NotNegative = 600.0  # metres, how much higher the middle row begins
    rounds: Annotated[int, Field(ge=1)] = 40  # times that the water finds its way anew
    concavity: Share = 0.5  # θ
    critical: Positive = 0.85  # slope of hillslopes
    massif: Positive = 70.0  # km, wavelength of massifs
    massif_spread: NotNegative = 0.22  # of ln(steepness)
    rock_wavelength: Positive = 16.0  # km
    rock_spread: NotNegative = 0.30  # of ln(steepness)
    jitter: NotNegative = 0.12  # of ln(slope), cell by cell and round by round
    smooth: NotNegative = 0.6  # cells, of the last filter


class VegetationSection(Section):
    """Forest and NDVI by elevation, moisture, aspect and steepness."""

    treeline: float = 1900.0  # metres, at the latitude of the grid
    treeline_spread: Positive = 110.0  # metres
    treeline_aspect: float = 80.0  # metres: higher on slopes that face south
    cover: Share = 0.75  # of forest below the tree line, where neither farmed nor steep
    leaf_area: Positive = 3.2  # effective leaf area index of closed forest
    patch: Positive = 3.5  # km, wavelength of forest patches
    noise: NotNegative = 0.03  # standard deviation of NDVI


class ProcessSection(Section):
    """A Gaussian field, AR(1) in time, of unit variance: daily correlation, and length in km."""

    memory: Correlation
    length: Positive


class WeatherSection(Section):
    """The stochastic daily generator at large scale, after Richardson 1981, Water Resour. Res. 17(1)."""

    temperature: ProcessSection = ProcessSection(memory=0.8, length=500.0)
    season_warmth: ProcessSection = ProcessSection(memory=0.985, length=1500.0)
    wet: ProcessSection = ProcessSection(memory=0.5, length=180.0)
    season_wet: ProcessSection = ProcessSection(memory=0.975, length=600.0)
    cloud: ProcessSection = ProcessSection(memory=0.3, length=150.0)
    moisture: ProcessSection = ProcessSection(memory=0.7, length=250.0)
    wind: ProcessSection = ProcessSection(memory=0.6, length=350.0)
    pressure: ProcessSection = ProcessSection(memory=0.85, length=700.0)
    mean: float = 14.0  # °C, extrapolated to sea level
    amplitude: NotNegative = 12.0  # K, half the annual range
    coldest: Annotated[int, Field(ge=1, le=366)] = 20  # day of year
    spread: tuple[NotNegative, NotNegative] = (4.2, 3.0)  # K, of days: winter, summer
    season_spread: NotNegative = 1.0  # K, of seasons and years
    wet_share: Share = 0.42  # of days with precipitation
    season_wet_weight: NotNegative = 0.45
    amount: Positive = 8.0  # mm/day, scale of the amounts
    exponent: Positive = 1.5
    wet_elevation: NotNegative = 0.25  # more precipitation per km of the smooth elevation
    humidity: Share = 0.70  # mean relative humidity at sea level
    flow: tuple[float, float] = (3.8, -1.0)  # m/s, mean wind to the east and to the north
    flow_spread: Positive = 3.2  # m/s
    seed: Annotated[int, Field(ge=0)] = 11


class DownscalingSection(Section):
    """MicroMet: Liston & Elder 2006, J. Hydrometeorol. 7, 217–234 (tables 1 and equations there)."""

    lapse: Monthly = (4.4, 5.9, 7.1, 7.8, 8.1, 8.2, 8.1, 8.1, 7.7, 6.8, 5.5, 4.7)  # K/km
    vapour: Monthly = (0.41, 0.42, 0.40, 0.39, 0.38, 0.36, 0.33, 0.33, 0.36, 0.37, 0.40, 0.40)  # 1/km
    adjustment: Monthly = (0.35, 0.35, 0.35, 0.30, 0.25, 0.20, 0.20, 0.20, 0.20, 0.25, 0.30, 0.35)  # 1/km
    reference: Positive = 12.0  # km over which the precipitation's reference elevation is smooth
    windward: NotNegative = 1.6  # precipitation: strength of lift on windward slopes, see micromet
    windward_scale: Positive = 4.0  # km over which those slopes are smooth
    wind_slope: Share = 0.58  # weights of slope and curvature in the wind, eq. 16
    wind_curvature: Share = 0.42
    curvature_scale: Positive = 1000.0  # metres, eq. 13


class SnowSection(Section):
    """The snow pack; the modules of this package cite where each value comes from."""

    temperature_factor: NotNegative = 1.2  # mm/day/K (0.05 mm/h/K, Pellicciotti et al. 2005)
    radiation_factor: NotNegative = 0.2256  # mm/day per W/m² (0.0094 mm m²/h/W, the same)
    daily_spread: Positive = 3.0  # K, of temperatures within a day
    albedo: tuple[Share, Share, Share] = (0.84, 0.112, 0.45)  # fresh, fall per decade of K·day, least
    fresh_snow: NotNegative = 3.0  # mm in a day that make the surface fresh
    intercept: Positive = 4.4  # mm per leaf area index (Liston & Elder 2006b, SnowModel)
    unload: NotNegative = 5.0  # mm/day/K above freezing (the same)
    canopy_loss: Share = 0.35  # share of canopy snow that sublimates in a dry day
    canopy_light: NotNegative = 0.71  # extinction by leaf area (the same)
    wind_threshold: Positive = 5.0  # m/s
    wind_scale: Positive = 11.0  # m/s, of the drift's growth with the cube of the wind
    drift_loss: Share = 0.12  # share of drifting snow that sublimates (Liston & Sturm 1998)
    holding: Positive = 3178.4  # m, largest depth = holding · slope° ^ −exponent (Bernhardt & Schulz 2010)
    holding_exponent: Positive = 1.998
    deepest: Positive = 8.0  # m, beyond which snow slides anywhere
    density: tuple[Positive, Positive, NotNegative, NotNegative] = (0.5975, 0.2237, 0.0012, 0.0038)


class ReanalysisSection(Section):
    """Errors of the coarse forcings, as a reanalysis has them: a lasting bias and daily noise, in space.

    Precipitation, humidity, radiation and wind by factors, temperature and pressure by differences.
    """

    bias: NotNegative = 1.0  # 1: typical sizes, see reanalysis
    noise: NotNegative = 1.0
    seed: Annotated[int, Field(ge=0)] = 99


class PeriodSection(Section):
    """Water years: they start on 1 October."""

    first: Annotated[int, Field(ge=1700, le=2200)] = 2001  # calendar year in which the first one starts
    years: Annotated[int, Field(ge=1)] = 3
    spin_up: Annotated[int, Field(ge=0)] = 1  # water years before, that are not kept
    days: Annotated[int, Field(ge=1)] | None = None  # shorter, for trials
    stride: Annotated[int, Field(ge=1)] = 1  # days from one kept date to the next

    @property
    def start(self) -> dt.date:
        """First day that is simulated."""
        return dt.date(self.first - self.spin_up, 10, 1)

    @property
    def dates(self) -> list[dt.date]:
        """Every day that is simulated."""
        last = dt.date(self.first + self.years, 10, 1)
        count = (last - self.start).days
        return [self.start + dt.timedelta(i) for i in range(min(count, self.days or count))]

    def kept(self, day: dt.date) -> bool:
        """Return whether a day goes into the store."""
        since = (day - dt.date(self.first, 10, 1)).days
        return since >= 0 and since % self.stride == 0


class Parameters(Section):
    """A whole nature run."""

    name: str = Field(default="snow16km", pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(default="Snow depth 16 km to 500 m, simulated", min_length=1)
    licence: str = "CC0-1.0"
    seed: Annotated[int, Field(ge=0)] = 7  # of the landscape
    grid: SimulatedGrid = SimulatedGrid()
    regions: tuple[RegionSection, ...] = Field(min_length=1)
    terrain: TerrainSection = TerrainSection()
    vegetation: VegetationSection = VegetationSection()
    weather: WeatherSection = WeatherSection()
    downscaling: DownscalingSection = DownscalingSection()
    snow: SnowSection = SnowSection()
    period: PeriodSection = PeriodSection()
    reanalysis: ReanalysisSection | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")  # of all other parameters

    @model_validator(mode="after")
    def _unique(self) -> Parameters:
        names = [r.name for r in self.regions]
        if len(set(names)) < len(names):
            raise ValueError("regions: a name stands twice")
        if not any(self.period.kept(day) for day in self.period.dates):
            raise ValueError("period: no day after the spin-up")
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Coarse rows and columns."""
        return self.grid.rows, self.grid.columns * len(self.regions)

    @property
    def fine_shape(self) -> tuple[int, int]:
        """Fine rows and columns."""
        rows, columns = self.shape
        return rows * self.grid.factor, columns * self.grid.factor

    @property
    def hash(self) -> str:
        """SHA-256 of every parameter, those left at their defaults included."""
        data = self.model_dump(mode="json", exclude={"sha256"})
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def load_parameters(path: str | Path) -> Parameters:
    """Read and validate the parameters of a nature run; where they are frozen, check that they still are.

    Raises:
        InputError: no such file, a wrong key, or parameters other than those whose hash the file holds.
    """
    try:
        parameters = Parameters.model_validate(read_yaml(path))
    except ValidationError as error:
        raise InputError(first_error(error, str(path))) from error
    if parameters.sha256 is not None and parameters.sha256 != parameters.hash:
        raise InputError(
            f"{path}: the parameters are frozen, but have changed: sha256 says {parameters.sha256[:12]}…, "
            f"they have {parameters.hash[:12]}…. Put them back, or take the key sha256 out for another run."
        )
    return parameters
