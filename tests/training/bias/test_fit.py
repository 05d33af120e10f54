"""Factors fitted by xsdba: the engine's numpy gives what xsdba itself gives."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from engine import dates
from engine.bias.factors import METHODS
from engine.dates import When
from engine.errors import InputError
from training.bias.fit import LARGEST_RATIO, _array, fit_factors, paired
from training.data.region import Region
from training.schema.bias import BiasSection

K = 2
DAYS = [When(2000 + i // 90, 1 + i % 90 // 30, 1 + i % 30 % 28) for i in range(360)]  # January to March


def archive(truth: np.ndarray, coarse: np.ndarray, whens: list[When] = DAYS) -> SimpleNamespace:
    """What fitting looks at: each coarse cell's fine cells are its truth ± 1."""
    fine = truth.repeat(K, 1).repeat(K, 2)
    fine[:, ::2] += 1
    fine[:, 1::2] -= 1
    return SimpleNamespace(
        factor=K,
        shape=coarse.shape[1:],
        coarse=coarse.astype(np.float32),
        fine=fine.astype(np.float32),
        months=np.array([w.month for w in whens]),
        dates=tuple(str(w) for w in whens),
        area=None,
        wrap=False,
    )


@pytest.fixture(scope="module")
def warm() -> SimpleNamespace:
    """Signed values: the product is too warm, and varies too little; a trend, so that periods differ."""
    rng = np.random.default_rng(3)
    truth = 5 + 4 * rng.standard_normal((360, 2, 3)) + np.arange(360)[:, None, None] / 100
    return archive(truth, 2 + 0.6 * truth + 0.5 * rng.standard_normal(truth.shape))


@pytest.fixture(scope="module")
def wet() -> SimpleNamespace:
    """Rain with dry days: the product drizzles, and lacks heavy rain."""
    rng = np.random.default_rng(4)
    truth = np.where(rng.random((360, 2, 3)) < 0.5, 0, rng.gamma(1.0, 8.0, (360, 2, 3)))
    rain = archive(truth, 0.3 + 0.5 * truth * rng.random(truth.shape))
    rain.fine = truth.repeat(K, 1).repeat(K, 2).astype(np.float32)
    return rain


TRAIN = Region(tuple(range(270)), (0, 3))
LATER = slice(270, 360)


PAIRS = [
    (method, kind)
    for method in METHODS
    for kind in ("additive", "multiplicative")
    if (method, kind) not in (("mean", "multiplicative"), ("ratio", "additive"))
]


@pytest.mark.parametrize(("method", "kind"), PAIRS)
def test_the_engine_applies_factors_as_xsdba_does(
    method: str, kind: str, warm: SimpleNamespace, wet: SimpleNamespace
) -> None:
    import xsdba

    data = warm if kind == "additive" else wet
    section = BiasSection(method=method, quantiles=20, group="all")
    factors = fit_factors(section, data, TRAIN, kind == "multiplicative")
    later = data.coarse[LATER]
    delta = method == "quantile_delta_mapping"
    made = factors.apply_delta(later, 0) if delta else factors.apply(later, 0)
    truth, product = (values.reshape(270, -1) for values in paired(data, TRAIN))
    names = {"quantile_mapping": "EmpiricalQuantileMapping", "quantile_delta_mapping": "QuantileDeltaMapping"}
    settings = {"group": "time", "kind": "*" if kind == "multiplicative" else "+"}
    if method in names:
        settings["nquantiles"] = factors.quantiles.astype(np.float64)
    adjustment = getattr(xsdba, names.get(method, "Scaling")).train(
        _array(truth), _array(product), **settings
    )
    sim = _array(later.reshape(90, -1).astype(np.float64))
    wanted = adjustment.adjust(sim, **({"interp": "linear"} if method in names else {}))
    wanted = wanted.transpose("time", "cell").values.reshape(later.shape)
    assert np.abs(made - wanted).max() < 2e-4
    assert np.abs(made - later).max() > 0.5  # something was corrected


def test_each_part_of_the_year_has_factors_of_its_own(warm: SimpleNamespace) -> None:
    shifted = SimpleNamespace(**vars(warm))
    shifted.coarse = warm.coarse + np.where(warm.months == 2, 10, 0)[:, None, None].astype(np.float32)
    factors = fit_factors(BiasSection(method="mean"), shifted, TRAIN, False)
    assert (factors.spec.group, factors.spec.groups) == ("month", (1, 2, 3))
    means = factors.factors[:, 0].mean((1, 2))
    assert means[1] == pytest.approx((means[0] + means[2]) / 2 - 10, abs=1.5)
    assert factors.group_of(When(2050, 2, 3)) == 1
    with pytest.raises(InputError, match="Jan, Feb, Mar alone, and 2050-07 is in another month"):
        factors.group_of(dates.parse("2050-07"))
    with pytest.raises(InputError, match="give the date"):
        factors.group_of(None)


def test_parts_of_the_year_have_dates_enough_or_are_taken_together(warm: SimpleNamespace) -> None:
    asked = {q: BiasSection(method="quantile_mapping", quantiles=q) for q in (10, 50, 100)}
    groups = {q: fit_factors(section, warm, TRAIN, False).spec.group for q, section in asked.items()}
    # 90 dates of each month; December to February 180, March 90; 270 in all.
    assert groups == {10: "month", 50: "all", 100: "all"}


def test_ratios_of_next_to_nothing_are_bounded(wet: SimpleNamespace) -> None:
    dry = SimpleNamespace(**vars(wet))
    dry.coarse = np.where(wet.coarse < 3, 0, wet.coarse * 1e-3).astype(np.float32)
    section = BiasSection(method="quantile_mapping", group="all")
    factors = fit_factors(section, dry, TRAIN, True).factors
    assert np.isfinite(factors).all()
    assert factors.max() == LARGEST_RATIO


def test_cells_without_truth_have_no_factors(warm: SimpleNamespace) -> None:
    sea = SimpleNamespace(**vars(warm))
    sea.fine = warm.fine.copy()
    sea.fine[:, :K, :K] = np.nan  # no truth at all
    sea.fine[20:, K:, :K] = np.nan  # too little of it
    factors = fit_factors(BiasSection(method="mean"), sea, TRAIN, False)
    assert factors.fitted.tolist() == [[False, True, True], [False, True, True]]
    assert np.isnan(factors.apply(warm.coarse[0], 0)[:, 0]).all()


def test_a_coarse_field_that_is_its_truths_mean_has_no_bias(warm: SimpleNamespace) -> None:
    own = SimpleNamespace(**vars(warm))
    own.coarse = warm.fine.reshape(360, 2, K, 3, K).mean((2, 4))
    with pytest.raises(InputError, match="there is no bias to correct: leave bias out"):
        fit_factors(BiasSection(method="mean"), own, TRAIN, False)


def test_too_few_dates_are_refused(warm: SimpleNamespace) -> None:
    with pytest.raises(InputError, match="no cell has 30 training dates in some month"):
        fit_factors(BiasSection(method="mean", group="month"), warm, Region(tuple(range(70)), (0, 3)), False)
    with pytest.raises(InputError, match=r"30 training dates with the coarse product .* give more dates"):
        fit_factors(BiasSection(method="mean"), warm, Region(tuple(range(20)), (0, 3)), False)
