"""The metrics by name. One file each, whose class says how it is shown; one line each below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from training.metrics.distribution.js_distance import JensenShannonDistance
from training.metrics.distribution.kl_divergence import KullbackLeiblerDivergence
from training.metrics.distribution.perkins import PerkinsSkillScore
from training.metrics.distribution.quantile_bias import QuantileBias
from training.metrics.distribution.scale import TruthScale
from training.metrics.distribution.wasserstein import WassersteinDistance
from training.metrics.ensemble.crps import ContinuousRankedProbabilityScore as CRPS
from training.metrics.ensemble.rank_histogram import RankHistogram
from training.metrics.ensemble.reliability import Reliability
from training.metrics.ensemble.spread_skill import SpreadSkill
from training.metrics.metric import EnsembleMetric, Metric
from training.metrics.pointwise.bias import Bias
from training.metrics.pointwise.kling_gupta import KlingGuptaEfficiency
from training.metrics.pointwise.mae import MeanAbsoluteError
from training.metrics.pointwise.nash_sutcliffe import NashSutcliffeEfficiency
from training.metrics.pointwise.pearson import PearsonCorrelation
from training.metrics.pointwise.residual import ConservationResidual
from training.metrics.pointwise.rmse import RootMeanSquareError
from training.metrics.shown import Shown
from training.metrics.structure.fractions_skill import FractionsSkillScore
from training.metrics.structure.spectral_distance import FieldSpectralLogDistance, SpectralLogDistance
from training.metrics.structure.ssim import StructuralSimilarity

M = TypeVar("M", Metric, EnsembleMetric)


@dataclass(frozen=True)
class Registered(Generic[M]):
    """A metric that is made for the truth's scale, and how it is shown; None: it has no column."""

    make: Callable[[TruthScale], M]
    shown: Shown | None
    of_means: bool = False  # it compares the aggregate with the coarse field

    def __call__(self, scale: TruthScale) -> M:
        """Return a metric that has seen nothing."""
        return self.make(scale)

    def titled(self, title: str) -> Registered[M]:
        """Return the same under another title, for one of several of its kind."""
        return replace(self, shown=None if self.shown is None else replace(self.shown, title=title))


def plain(kind: type[Metric]) -> Registered[Metric]:
    """Return the entry of a metric that wants to know nothing of the truth."""
    return Registered(lambda scale: kind(), kind.SHOWN, kind.of_means)


def scaled(kind: type[Metric], make: Callable[[TruthScale], Metric]) -> Registered[Metric]:
    """Return the entry of a metric that is made for the truth's scale."""
    return Registered(make, kind.SHOWN, kind.of_means)


def of_members(
    kind: type[EnsembleMetric], make: Callable[[TruthScale], EnsembleMetric]
) -> Registered[EnsembleMetric]:
    """Return the entry of a metric of an ensemble."""
    return Registered(make, kind.SHOWN)


# In every table.
METRICS: dict[str, Registered[Metric]] = {
    "rmse": plain(RootMeanSquareError),
    "mae": plain(MeanAbsoluteError),
    "bias": plain(Bias),
    "js_distance": scaled(JensenShannonDistance, lambda s: JensenShannonDistance(s.low, s.high)),
    "conservation_residual": plain(ConservationResidual),
}


def _quantile_bias(quantile: float) -> Registered[Metric]:
    entry = scaled(QuantileBias, lambda s: QuantileBias(quantile, s.least, s.greatest))
    return entry.titled(f"Q{100 * quantile:.0f} bias")


def _fractions_skill(
    percentile: int, threshold: Callable[[TruthScale], float], window: int
) -> Registered[Metric]:
    entry = scaled(FractionsSkillScore, lambda s: FractionsSkillScore(threshold(s), window))
    return entry.titled(f"FSS{percentile}/{window}")


# On request. Those of spatial structure take whole fields.
FURTHER_METRICS: dict[str, Registered[Metric]] = {
    "pearson": plain(PearsonCorrelation),
    "nse": plain(NashSutcliffeEfficiency),
    "kge": plain(KlingGuptaEfficiency),
    "kl_divergence": scaled(KullbackLeiblerDivergence, lambda s: KullbackLeiblerDivergence(s.low, s.high)),
    "perkins": scaled(PerkinsSkillScore, lambda s: PerkinsSkillScore(s.low, s.high)),
    "wasserstein": scaled(WassersteinDistance, lambda s: WassersteinDistance(s.least, s.greatest)),
    "quantile_bias_95": _quantile_bias(0.95),
    "quantile_bias_99": _quantile_bias(0.99),
    "ralsd": plain(SpectralLogDistance),
    "ralsd_by_field": plain(FieldSpectralLogDistance),
    "fss_95_5": _fractions_skill(95, lambda s: s.high_threshold, 5),
    "fss_95_17": _fractions_skill(95, lambda s: s.high_threshold, 17),
    "fss_99_5": _fractions_skill(99, lambda s: s.extreme_threshold, 5),
    "fss_99_17": _fractions_skill(99, lambda s: s.extreme_threshold, 17),
    "ssim": scaled(StructuralSimilarity, lambda s: StructuralSimilarity(s.greatest - s.least)),
}


def _reliability(percentile: int, threshold: Callable[[TruthScale], float]) -> Registered[EnsembleMetric]:
    entry = of_members(Reliability, lambda s: Reliability(threshold(s)))
    return entry.titled(f"reliability {percentile}")


# Of M members: `update` takes (M, …) and the truth.
ENSEMBLE_METRICS: dict[str, Registered[EnsembleMetric]] = {
    "crps": of_members(CRPS, lambda s: CRPS()),
    "crps_of_members": Registered(lambda s: CRPS(fair=False), None),
    "spread_skill": of_members(SpreadSkill, lambda s: SpreadSkill()),
    "rank_histogram": of_members(RankHistogram, lambda s: RankHistogram()),
    "rank_histogram_untied": Registered(lambda s: RankHistogram(informative=True), None),
    "reliability_95": _reliability(95, lambda s: s.high_threshold),
    "reliability_99": _reliability(99, lambda s: s.extreme_threshold),
}
