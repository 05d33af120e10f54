"""Each peer finds a plain linear relation, conserves, and is chosen without the truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from scipy.ndimage import gaussian_filter

from engine.specs import TargetSpec
from training.data.archive import block_mean
from training.withheld.bench import BenchFolders, run_case
from training.withheld.cases.fractal import fractal, smooth_field
from training.withheld.peers import dissever
from training.withheld.peers.area_to_point import _weights, area_to_point, fitted_range
from training.withheld.peers.linear_leaves import LinearLeafTrees
from training.withheld.peers.registry import PEERS
from training.withheld.peers.run_peer import best_setting, conserved, one_level_up, run_peer
from training.withheld.problem import Covariate, HiddenCase, Problem, hidden_case

FACTOR = 4
SHAPE = (18 * FACTOR, 20 * FACTOR)


def linear_case(nonnegative: bool = False) -> HiddenCase:
    """A field of 20 plus smooth weather, minus two thirds of the terrain's deviation."""
    rng = np.random.default_rng(5)
    height = fractal(rng, SHAPE)
    truth = 20 + smooth_field(rng, SHAPE, 6 * FACTOR) - 2 * height
    target = TargetSpec("x", "mm" if nonnegative else "degC")
    if nonnegative:
        target = replace(target, conservation="multiplicative")
        truth = np.maximum(truth - 16, 0)
    other = Covariate("other", "1", fractal(rng, SHAPE)[None].astype(np.float32))
    return hidden_case(
        "linear",
        truth[None],
        FACTOR,
        target,
        ["2001-01-01"],
        [Covariate("elevation", "m", 500 + 300 * height[None].astype(np.float32)), other],
        Affine(1000, 0, 4e6, 0, -1000, 2.8e6),
        "EPSG:3035",
        title="Linear",
        origin="synthetic",
    )


@pytest.mark.parametrize("id", [id for id, peer in PEERS.items() if peer.covariates])
def test_a_peer_finds_a_linear_relation(id: str, tmp_path: Path) -> None:
    scores = run_case(
        linear_case(), ["bicubicsmooth", id], BenchFolders(tmp_path / "given", tmp_path / "made")
    )
    assert scores.methods[id].ratio.value < 0.75, "better than interpolation by a quarter"
    assert scores.methods[id].chosen


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("id", PEERS)
def test_a_peer_conserves_exactly_at_every_setting(
    id: str, nonnegative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dissever, "TREES", 3)
    monkeypatch.setattr(dissever, "ROUNDS", 2)
    problem = linear_case(nonnegative).problem
    gap = problem.coarse.copy()
    gap[0, 3, 4] = np.nan
    problem = replace(problem, coarse=gap)
    settings = PEERS[id].settings(problem)
    assert len(settings) >= 2
    for setting in settings:
        field = conserved(PEERS[id], problem, setting)
        np.testing.assert_allclose(block_mean(field, FACTOR), problem.coarse, rtol=1e-5, atol=1e-4)
        assert np.isnan(field).sum() == FACTOR**2
        assert not nonnegative or np.nanmin(field) >= 0


def test_a_setting_is_chosen_one_level_up() -> None:
    problem = linear_case().problem
    upper = one_level_up(problem)
    assert upper is not None
    above, truth = upper
    assert above.factor == 3 and above.coarse.shape == (1, 6, 6)
    np.testing.assert_array_equal(truth, problem.coarse[:, :18, :18])
    np.testing.assert_allclose(above.coarse[0, 0, 0], truth[0, :3, :3].mean(), rtol=1e-6)
    heights = block_mean(problem.covariates[0].values, FACTOR)[:, :18, :18]
    np.testing.assert_allclose(above.covariates[0].values, heights, rtol=1e-5)
    assert best_setting(PEERS["tsharp"], problem)["covariate"] == 0, "the terrain, not what says nothing"


def test_a_peer_without_a_level_above_takes_its_first_setting() -> None:
    problem = linear_case().problem
    small = replace(
        problem,
        coarse=problem.coarse[:, :4, :4],
        covariates=tuple(replace(c, values=c.values[:, :16, :16]) for c in problem.covariates),
    )
    assert one_level_up(small) is None
    made = run_peer(PEERS["gwr"], small)
    assert made.values.shape == (1, 16, 16) and made.chosen == "bandwidth by AICc, space plain"


def test_peers_that_need_covariates_are_left_out_without(tmp_path: Path) -> None:
    case = linear_case()
    bare: Problem = replace(case.problem, covariates=())
    scores = run_case(
        replace(case, problem=bare),
        ["bicubicsmooth", "kriging", "dms"],
        BenchFolders(tmp_path / "given", tmp_path / "made"),
    )
    assert set(scores.methods) == {"bicubicsmooth", "kriging"}
    assert scores.oracle == 1.0


@pytest.mark.parametrize("model", ["exponential", "spherical"])
def test_kriged_points_have_the_means_of_their_areas(model: str) -> None:
    values = fractal(np.random.default_rng(1), (12, 14))
    field = area_to_point(values, 4, model)
    np.testing.assert_allclose(block_mean(field[None], 4)[0], values, atol=2e-3)
    weights = _weights(3.0, 4, model)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-9)
    assert weights.shape == (16, 25) and (weights.argmax(1) == 12).all(), "the own cell weighs most"


def test_the_range_of_points_is_found_from_areas() -> None:
    rng = np.random.default_rng(3)
    short, long = (gaussian_filter(rng.standard_normal((400, 400)), width, mode="wrap") for width in (4, 40))
    near, far = (fitted_range(block_mean(field[None], 10)[0], "spherical") for field in (short, long))
    assert near <= 3.0 and far >= 6.0


def test_linear_leaves_follow_a_broken_line() -> None:
    x = np.linspace(-1, 1, 400)[:, None]
    y = np.where(x[:, 0] > 0, 2 * x[:, 0], -x[:, 0])
    fits = {linear: LinearLeafTrees(40, linear).fit(x, y).predict(x) for linear in (True, False)}
    errors = {linear: np.sqrt(np.mean((fit - y) ** 2)) for linear, fit in fits.items()}
    assert errors[True] < 0.01 < errors[False]


def test_classes_and_angles_are_taken_apart_before_they_are_averaged() -> None:
    case = linear_case()
    rng = np.random.default_rng(4)
    kinds = rng.integers(1, 4, (1, *SHAPE)).astype(np.float32)
    facing = np.full((1, *SHAPE), 359.0, np.float32)
    facing[..., ::2] = 1.0
    problem = replace(
        case.problem,
        covariates=(Covariate("cover", "", kinds, "class"), Covariate("aspect", "degree", facing, "angle")),
    )
    upper = one_level_up(problem)
    assert upper is not None
    names = [c.name for c in upper[0].covariates]
    assert names == ["cover_0", "cover_1", "aspect_0", "aspect_1"]
    shares = block_mean((kinds == 2).astype(np.float32), FACTOR)[:, :18, :18]
    np.testing.assert_allclose(upper[0].covariates[0].values, shares, atol=1e-6)
    np.testing.assert_allclose(upper[0].covariates[3].values, np.cos(np.deg2rad(1)), atol=1e-6)
    np.testing.assert_allclose(upper[0].covariates[2].values, 0, atol=1e-6)
