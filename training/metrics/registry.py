"""Streaming metrics: init, update, merge, compute. One file each, one line each below."""

from __future__ import annotations

from collections.abc import Callable

from training.metrics.distribution.histogram import percentile_range
from training.metrics.distribution.js_distance import JensenShannonDistance
from training.metrics.distribution.kl_divergence import KullbackLeiblerDivergence
from training.metrics.distribution.perkins import PerkinsSkillScore
from training.metrics.distribution.quantile_bias import QuantileBias
from training.metrics.distribution.scale import TruthScale, truth_scale
from training.metrics.distribution.wasserstein import WassersteinDistance
from training.metrics.ensemble.crps import ContinuousRankedProbabilityScore, crps_cells
from training.metrics.ensemble.ensemble import EnsembleMetric
from training.metrics.ensemble.rank_histogram import RankHistogram
from training.metrics.ensemble.reliability import BrierTerms, Reliability
from training.metrics.ensemble.spread_skill import SpreadSkill
from training.metrics.pointwise.bands import Band, BandedError
from training.metrics.pointwise.base import Metric
from training.metrics.pointwise.bias import Bias
from training.metrics.pointwise.kling_gupta import KlingGuptaEfficiency
from training.metrics.pointwise.mae import MeanAbsoluteError
from training.metrics.pointwise.nash_sutcliffe import NashSutcliffeEfficiency
from training.metrics.pointwise.pearson import PearsonCorrelation
from training.metrics.pointwise.residual import ConservationResidual
from training.metrics.pointwise.rmse import RootMeanSquareError
from training.metrics.structure.fractions_skill import FractionsSkillScore
from training.metrics.structure.spectral_distance import FieldSpectralLogDistance, SpectralLogDistance
from training.metrics.structure.ssim import StructuralSimilarity

# In every table.
METRICS: dict[str, type[Metric]] = {
    "rmse": RootMeanSquareError,
    "mae": MeanAbsoluteError,
    "bias": Bias,
    "js_distance": JensenShannonDistance,
    "conservation_residual": ConservationResidual,
}

# On request: each is made for the truth's scale. Those of spatial structure take whole fields.
FURTHER_METRICS: dict[str, Callable[[TruthScale], Metric]] = {
    "pearson": lambda s: PearsonCorrelation(),
    "nse": lambda s: NashSutcliffeEfficiency(),
    "kge": lambda s: KlingGuptaEfficiency(),
    "kl_divergence": lambda s: KullbackLeiblerDivergence(s.low, s.high),
    "perkins": lambda s: PerkinsSkillScore(s.low, s.high),
    "wasserstein": lambda s: WassersteinDistance(s.least, s.greatest),
    "quantile_bias_95": lambda s: QuantileBias(0.95, s.least, s.greatest),
    "quantile_bias_99": lambda s: QuantileBias(0.99, s.least, s.greatest),
    "ralsd": lambda s: SpectralLogDistance(),
    "ralsd_by_field": lambda s: FieldSpectralLogDistance(),
    "fss_95_5": lambda s: FractionsSkillScore(s.high_threshold, 5),
    "fss_95_17": lambda s: FractionsSkillScore(s.high_threshold, 17),
    "fss_99_5": lambda s: FractionsSkillScore(s.extreme_threshold, 5),
    "fss_99_17": lambda s: FractionsSkillScore(s.extreme_threshold, 17),
    "ssim": lambda s: StructuralSimilarity(s.greatest - s.least),
}

# Of M members: `update` takes (M, …) and the truth. Each is made for the truth's scale.
ENSEMBLE_METRICS: dict[str, Callable[[TruthScale], EnsembleMetric]] = {
    "crps": lambda s: ContinuousRankedProbabilityScore(),
    "crps_of_members": lambda s: ContinuousRankedProbabilityScore(fair=False),
    "spread_skill": lambda s: SpreadSkill(),
    "rank_histogram": lambda s: RankHistogram(),
    "rank_histogram_untied": lambda s: RankHistogram(informative=True),
    "reliability_95": lambda s: Reliability(s.high_threshold),
    "reliability_99": lambda s: Reliability(s.extreme_threshold),
}

__all__ = [
    "ENSEMBLE_METRICS",
    "FURTHER_METRICS",
    "METRICS",
    "Band",
    "BandedError",
    "Bias",
    "BrierTerms",
    "ConservationResidual",
    "ContinuousRankedProbabilityScore",
    "EnsembleMetric",
    "FieldSpectralLogDistance",
    "FractionsSkillScore",
    "JensenShannonDistance",
    "KlingGuptaEfficiency",
    "KullbackLeiblerDivergence",
    "MeanAbsoluteError",
    "Metric",
    "NashSutcliffeEfficiency",
    "PearsonCorrelation",
    "PerkinsSkillScore",
    "QuantileBias",
    "RankHistogram",
    "Reliability",
    "RootMeanSquareError",
    "SpectralLogDistance",
    "SpreadSkill",
    "StructuralSimilarity",
    "TruthScale",
    "WassersteinDistance",
    "crps_cells",
    "percentile_range",
    "truth_scale",
]
