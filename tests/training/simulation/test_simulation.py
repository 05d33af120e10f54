"""The nature run: landscapes, weather, radiation on slopes, what falls, melts and moves."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.errors import InputError
from training.simulation.density import day_of_snow, density, depth_of
from training.simulation.micromet import dew_point, monthly, vapour_pressure, wet_bulb
from training.simulation.parameters import Parameters, load_parameters
from training.simulation.run import Simulation
from training.simulation.snow import snow_share, thaw
from training.simulation.surface import horizon, slopes, sun_table
from training.simulation.terrain import (
    climbed,
    drained,
    elevation,
    fill_hollows,
    flow,
    fractal_noise,
    spectral_slope,
)
from training.simulation.transport import NEIGHBOURS, drift_share, fall_shares, move, wind_shares
from training.simulation.vegetation import vegetation
from training.simulation.weather import Weather

FROZEN = Path("training/simulation/snow.yaml")


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    return Parameters.model_validate(
        {
            "regions": [
                {"name": "low", "base": 300, "steepness": 0.1},
                {"name": "high", "base": 900, "steepness": 0.4},
            ],
            "grid": {"factor": 8, "rows": 3, "columns": 3, "blend": 2.0},
            "terrain": {"rounds": 6},
            "period": {"years": 1, "spin_up": 0, "days": 200},
        }
    )


@pytest.fixture(scope="module")
def finished(parameters: Parameters) -> tuple[Simulation, list]:
    run = Simulation(parameters)
    return run, [kept for _, kept in run.days()]


# ------------------------------------------------------------------ parameters


def test_the_shipped_parameters_are_those_that_were_frozen() -> None:
    assert load_parameters(FROZEN).hash == load_parameters(FROZEN).sha256


def test_changed_parameters_are_refused(tmp_path) -> None:
    path = tmp_path / "changed.yaml"
    path.write_text(FROZEN.read_text(encoding="utf-8").replace("seed: 7", "seed: 8"), encoding="utf-8")
    with pytest.raises(InputError, match="frozen"):
        load_parameters(path)


def test_an_unknown_parameter_is_named(tmp_path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("regions: [{name: a, base: 1, steepness: 1}]\nsnow: {depth: 3}\n", encoding="utf-8")
    with pytest.raises(InputError, match="depth"):
        load_parameters(path)


# ------------------------------------------------------------------ landscape


def test_water_gathers_along_a_valley() -> None:
    rows, columns = np.mgrid[0:7, 0:9].astype(float)
    height = 10 * np.abs(rows - 3) + columns  # falls to the middle row, and along it to the left
    receiver, distance = flow(height, 500.0)
    area = drained(receiver).reshape(height.shape)
    assert area[3, 0] == area.max() > 20
    outlets = receiver == np.arange(receiver.size)
    assert area.ravel()[outlets].sum() == height.size  # every cell's water leaves somewhere, once
    far = climbed(receiver, distance).reshape(height.shape)
    assert far[3, 7] == pytest.approx(7 * 500.0)


def test_a_filled_surface_has_no_hollow() -> None:
    rng = np.random.default_rng(0)
    height = rng.random((30, 40)) * 100
    filled = fill_hollows(height, rng)
    assert (filled >= height).all()
    receiver, _ = flow(filled, 1.0)
    inner = np.zeros(height.shape, bool)
    inner[1:-1, 1:-1] = True
    assert (receiver.reshape(height.shape) != np.arange(height.size).reshape(height.shape))[inner].all()


def test_the_landscape_is_higher_where_asked_and_the_same_again(parameters: Parameters) -> None:
    height = elevation(parameters)
    assert height.shape == parameters.fine_shape and height.dtype == np.float32
    half = height.shape[1] // 2
    assert height[:, half:].mean() > height[:, :half].mean() + 500
    np.testing.assert_array_equal(height, elevation(parameters))


def test_the_slope_of_a_spectrum() -> None:
    # Octaves of amplitude λ^s spread over an area of λ^−2 of wavenumbers: power falls as k^−(2s + 2).
    for fall in (0.5, 1.0):
        noise = fractal_noise(np.random.default_rng(1), (256, 256), 1.0, 64.0, fall)
        assert spectral_slope(noise, 1.0, 4.0, 40.0) == pytest.approx(-(2 * fall + 2), abs=0.4)


def test_forest_ends_at_the_tree_line(parameters: Parameters) -> None:
    height = np.tile(np.linspace(400, 3200, 48, dtype=np.float32), (24, 1))
    plants = vegetation(parameters, height)
    assert plants.forest[:, :10].mean() > 0.3
    assert plants.forest[:, -8:].max() < 0.01
    assert plants.ndvi[:, :10].mean() > plants.ndvi[:, -8:].mean() + 0.3


# ------------------------------------------------------------------ weather


def test_weather_depends_on_its_seed_alone(parameters: Parameters) -> None:
    columns = parameters.shape[1]

    def first(seed: int) -> np.ndarray:
        section = parameters.weather.model_copy(update={"seed": seed})
        weather = Weather(
            parameters.model_copy(update={"weather": section}), np.zeros(columns), np.ones(columns)
        )
        return weather.day(dt.date(2001, 1, 1)).temperature

    np.testing.assert_array_equal(first(1), first(1))
    assert np.abs(first(1) - first(2)).max() > 0.1


def test_about_as_many_days_are_wet_as_asked(parameters: Parameters) -> None:
    columns = parameters.shape[1]
    section = parameters.weather.model_copy(update={"season_wet_weight": 0.0})  # no long wet spells
    even = parameters.model_copy(update={"weather": section})
    weather = Weather(even, np.zeros(columns), np.ones(columns))
    start = dt.date(2001, 1, 1)
    days = [weather.day(start + dt.timedelta(i)) for i in range(730)]
    wet = np.mean([(day.precipitation > 0).mean() for day in days])
    assert wet == pytest.approx(parameters.weather.wet_share, abs=0.05)
    january = np.mean([d.temperature.mean() for d in days if d.date.month == 1])
    july = np.mean([d.temperature.mean() for d in days if d.date.month == 7])
    assert july - january == pytest.approx(2 * parameters.weather.amplitude, abs=4)


def test_humidity_goes_there_and_back() -> None:
    air = torch.tensor([-20.0, 0.0, 15.0])
    torch.testing.assert_close(dew_point(vapour_pressure(air)), air, atol=1e-3, rtol=0)
    # Stull 2011 gives 13.7 °C for 20 °C and 50 %.
    assert float(wet_bulb(torch.tensor(20.0), torch.tensor(0.5))) == pytest.approx(13.7, abs=0.1)


def test_monthly_values_hold_in_mid_month_and_go_over_smoothly() -> None:
    values = tuple(float(m) for m in range(12))
    assert monthly(values, dt.date(2001, 6, 15)) == pytest.approx(5)
    assert 5 < monthly(values, dt.date(2001, 6, 30)) < 6
    assert 0 < monthly(values, dt.date(2001, 12, 31)) < 11


# ------------------------------------------------------------------ sun


def _plane(south: float, east: float = 0.0) -> torch.Tensor:
    """A plane that falls southwards and eastwards by these slopes, 500 m cells."""
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    return -500 * (south * rows + east * columns)


def test_the_sun_prefers_slopes_that_face_it() -> None:
    direct = {}
    for name, plane in {"flat": _plane(0.0), "south": _plane(0.5), "north": _plane(-0.5)}.items():
        slope_x, slope_y = slopes(plane, 500.0)
        direct[name], _ = sun_table(46.5, slope_x, slope_y, torch.zeros(16, 9, 9))
    december, june = 23, 11  # of 24 dates from 1 January on
    for season in (december, june):
        assert direct["south"][season, 4, 4] > direct["north"][season, 4, 4]
    assert direct["south"][december, 4, 4] > 2 * direct["flat"][december, 4, 4]
    assert direct["north"][december, 4, 4] < 0.1 * direct["flat"][december, 4, 4]


def test_east_and_west_get_the_same_sun() -> None:
    both = []
    for east in (0.4, -0.4):
        slope_x, slope_y = slopes(_plane(0.0, east), 500.0)
        both.append(sun_table(46.5, slope_x, slope_y, torch.zeros(16, 9, 9))[0][:, 4, 4])
    torch.testing.assert_close(both[0], both[1], rtol=1e-4, atol=0.1)


def test_a_wall_hides_sky_and_sun() -> None:
    height = torch.zeros(21, 21)
    height[12:] = 500.0  # a wall to the south
    sine, sky = horizon(height, 500.0)
    assert sky[2, 10] > sky[11, 10] and float(sky.max()) <= 1
    zero = torch.zeros(21, 21)
    direct, _ = sun_table(46.5, zero, zero, sine)
    open_, _ = sun_table(46.5, zero, zero, torch.zeros_like(sine))
    assert direct[0, 11, 10] < 0.5 * open_[0, 11, 10]
    assert direct[0, 0, 10] > 0.8 * open_[0, 0, 10]


# ------------------------------------------------------------------ snow


def test_precipitation_is_snow_in_the_cold_and_rain_in_the_warm() -> None:
    share = snow_share(torch.tensor([-30.0, -10.0, 0.8, 10.0, 30.0]))
    assert float(share[0]) > 0.999 and float(share[1]) > 0.999
    assert float(share[2]) == pytest.approx(0.5, abs=0.05)
    assert float(share[3]) < 1e-6 and float(share[4]) >= 0


def test_thaw_of_a_day() -> None:
    warm, above = thaw(torch.tensor([-20.0, 0.0, 20.0]), 3.0)
    torch.testing.assert_close(warm, torch.tensor([0.0, 3 * 0.39894, 20.0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(above, torch.tensor([0.0, 0.5, 1.0]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("day", [-92, -1, 60, 181])
def test_depth_and_density_agree(day: int) -> None:
    constants = (0.5975, 0.2237, 0.0012, 0.0038)
    water = torch.tensor([0.0, 1.0, 50.0, 500.0, 3000.0])
    depth = depth_of(water, day, constants)
    torch.testing.assert_close(1000 * depth * density(depth, day, constants), water, rtol=1e-3, atol=1e-3)
    assert depth[0] == 0 and (depth.diff() > 0).all()


def test_the_days_of_snow() -> None:
    assert day_of_snow(dt.date(2001, 10, 1)) == -92
    assert day_of_snow(dt.date(2001, 12, 31)) == -1
    assert day_of_snow(dt.date(2002, 1, 1)) == 1
    assert day_of_snow(dt.date(2002, 8, 1)) == 181


def test_nothing_is_lost_on_the_move() -> None:
    parts = torch.rand(8, 5, 6)
    assert float(move(parts).sum()) == pytest.approx(float(parts.sum()), rel=1e-5)
    one = torch.zeros(8, 5, 6)
    one[NEIGHBOURS.index((1, 1)), 2, 2] = 3.0
    assert float(move(one)[3, 3]) == 3.0


def test_wind_carries_downwind_and_slopes_downhill() -> None:
    shares = wind_shares(torch.ones(3, 3), torch.zeros(3, 3))  # a wind to the east
    assert float(shares[NEIGHBOURS.index((0, 1)), 1, 1]) > 0.6
    assert float(shares[NEIGHBOURS.index((0, -1)), 1, 1]) == 0
    torch.testing.assert_close(shares.sum(0), torch.ones(3, 3))
    falls = fall_shares(_plane(0.5), 500.0)
    assert float(falls[NEIGHBOURS.index((1, 0)), 4, 4]) > 0.3
    assert float(falls[NEIGHBOURS.index((-1, 0)), 4, 4]) == 0
    drift = drift_share(torch.tensor([4.0, 5.0, 8.0, 20.0]), 5.0, 11.0)
    assert float(drift[1]) == 0 and 0 < float(drift[2]) < float(drift[3]) < 1


# ------------------------------------------------------------------ the whole


def test_the_snow_is_accounted_for(finished) -> None:
    run, _ = finished
    ledger = run.pack.ledger
    lying = float(run.pack.water.double().sum() + run.pack.canopy.double().sum())
    assert ledger.snowfall > 0 and ledger.melt > 0 and ledger.sublimation > 0
    assert lying == pytest.approx(ledger.storage, abs=1e-4 * ledger.snowfall)


def test_the_same_parameters_give_the_same_days(parameters: Parameters, finished) -> None:
    again = [kept for (_, kept), _ in zip(Simulation(parameters).days(), range(40))]
    for first, second in zip(finished[1], again):
        np.testing.assert_array_equal(first.depth, second.depth)
        for name, values in first.forcings.items():
            np.testing.assert_array_equal(values, second.forcings[name])


def test_snow_is_deeper_in_the_heights_and_never_negative(finished) -> None:
    run, days = finished
    spring = days[-1]
    height = run.surface.height.numpy()
    high, low = height > np.quantile(height, 0.8), height < np.quantile(height, 0.2)
    assert spring.depth[high].mean() > spring.depth[low].mean() + 0.3
    assert min(kept.depth.min() for kept in days) >= 0
    assert max(kept.depth.max() for kept in days) < 15
    for name in ("precipitation", "shortwave", "wind", "humidity"):
        assert min(kept.forcings[name].min() for kept in days) >= 0
