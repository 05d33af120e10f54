"""The cases: a coarse field that is the truth's mean and nothing else, and no truth where methods look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from engine.errors import InputError
from engine.specs import TargetSpec
from training.withheld.bench import BenchFolders, run_case
from training.withheld.cases import rain, simulated
from training.withheld.cases.fractal import by_wavelength, fractal
from training.withheld.cases.place import CasePlace
from training.withheld.cases.registry import CASES, wanted_cases
from training.withheld.cases.synthetic import RELATIONS, synthetic
from training.withheld.problem import Covariate, HiddenCase, Problem, hidden_case

SMALL = """
name: small
regions: [{name: one, base: 300, steepness: 0.2}, {name: two, base: 600, steepness: 0.3}]
grid: {rows: 2, columns: 2}
terrain: {rounds: 3}
period: {spin_up: 0}
"""


@pytest.fixture
def small_simulation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A landscape of 2 × 4 coarse cells, and winter after three days."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    monkeypatch.setattr(simulated, "PARAMETERS", path)
    monkeypatch.setattr(simulated, "WINTER", ("2001-10-02", "2001-10-03", "2001-10-04"))


def each_case(place: CasePlace) -> list[HiddenCase]:
    made = [rain.rain(place, 8, "europe"), rain.rain(place, 4, "europe")]
    made += [simulated.snow(place, 32), simulated.snow(place, 16), simulated.air(place, 32)]
    made.append(CASES["large"].build(place))
    made += [CASES[name].build(place) for name in ("temperature8_americas", "freezing4")]
    return made + [synthetic(place, relation, 1) for relation in RELATIONS]


@pytest.mark.usefixtures("small_simulation")
def test_the_coarse_field_is_the_mean_of_the_truth(tmp_path: Path) -> None:
    for case in each_case(CasePlace(tmp_path, quick=True)):
        problem, k = case.problem, case.problem.factor
        times, rows, columns = problem.coarse.shape
        blocks = case.truth.astype(np.float64).reshape(times, rows, k, columns, k)
        np.testing.assert_allclose(problem.coarse, blocks.mean((2, 4)), rtol=1e-5, atol=1e-5)
        assert len(problem.dates) == times and np.isfinite(case.truth).all()
        assert all(np.isfinite(c.values).all() for c in problem.covariates)


def test_only_cells_that_have_a_truth_count() -> None:
    truth = np.arange(32.0).reshape(1, 4, 8)
    truth[0, 0, :3] = np.nan
    truth[0, :, 4:7] = np.nan
    case = hidden_case(
        "gaps",
        truth,
        4,
        TargetSpec("x", "m"),
        ["2001-01-01"],
        [],
        Affine(1, 0, 0, 0, -1, 0),
        "EPSG:3035",
        title="With gaps",
        origin="synthetic",
        least=0.5,
    )
    assert case.problem.coarse[0, 0, 0] == pytest.approx(np.nanmean(truth[0, :, :4]))
    assert np.isnan(case.problem.coarse[0, 0, 1]), "a quarter of its cells is too little"
    assert np.isfinite(case.truth).sum() == 13, "cells of coarse cells without a value are not scored"


def test_a_covariate_of_another_grid_is_refused() -> None:
    wrong = Covariate("elevation", "m", np.zeros((1, 2, 2)))
    with pytest.raises(ValueError, match="elevation"):
        hidden_case(
            "wrong",
            np.zeros((1, 4, 4)),
            2,
            TargetSpec("x", "m"),
            ["2001-01-01"],
            [wrong],
            Affine.identity(),
            "EPSG:3035",
            title="",
            origin="synthetic",
        )


def test_no_file_that_a_method_sees_holds_the_truth(tmp_path: Path) -> None:
    case = synthetic(CasePlace(tmp_path / "kept", quick=True), "lapse", 1)
    folders = BenchFolders(tmp_path / "given", tmp_path / "made")
    run_case(case, ["bicubicsmooth", "elevationregression"], folders)
    files = sorted(path.name for path in (tmp_path / "given").rglob("*") if path.is_file())
    assert files == ["elevation.tif", "temperature_coarse.tif"]
    for path in (tmp_path / "given").rglob("*.tif"):
        with rasterio.open(path) as raster:
            values = raster.read()
        if values.shape[1:] == case.truth.shape[1:]:
            for field in values:
                assert abs(np.corrcoef(field.ravel(), case.truth[0].ravel())[0, 1]) < 0.999
    assert not any(isinstance(value, HiddenCase) for value in vars(case.problem).values())
    assert case.truth.shape not in {np.shape(value) for value in vars(case.problem).values()}
    assert {"truth", "oracle"}.isdisjoint(Problem.__dataclass_fields__)


@pytest.mark.usefixtures("small_simulation")
def test_the_simulation_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = simulated.snow(CasePlace(tmp_path), 32)
    monkeypatch.setattr(simulated, "_simulate", None)
    again = simulated.snow(CasePlace(tmp_path), 16)
    np.testing.assert_array_equal(first.truth, again.truth)
    assert again.problem.coarse.shape == (3, 4, 8)


def test_a_reversed_relation_keeps_long_waves_and_turns_short_ones() -> None:
    x = np.arange(512)
    for wavelength, sign in ((256, 1), (8, -1)):
        wave = np.cos(2 * np.pi * x / wavelength)[None].repeat(16, 0)
        turned = by_wavelength(wave, 40.0, 1.5)
        assert np.sign((turned * wave)[:, 64:-64].mean()) == sign


def test_the_same_seed_makes_the_same_field() -> None:
    shape = (32, 48)
    first, again, other = (fractal(np.random.default_rng(seed), shape) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.9
    assert first.mean() == pytest.approx(0, abs=1e-9) and first.std() == pytest.approx(1)


def test_cases_are_asked_for_by_family_name_or_beginning() -> None:
    assert next(iter(wanted_cases(["rain8"]))) == "rain8" and "rain8_asia" in wanted_cases(["rain8"])
    assert set(wanted_cases(["lapse", "snow32"])) == {"lapse_1", "lapse_2", "lapse_3", "snow32"}
    assert set(wanted_cases([])) == set(CASES) - {"large"} > set(wanted_cases([], quick=True))
    assert set(wanted_cases(["speed"])) == {"large"}
    with pytest.raises(InputError, match="no case named hail"):
        wanted_cases(["hail"])
