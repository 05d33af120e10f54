"""Streaming metrics: init, update, merge, compute. One file each, one line each below."""

from __future__ import annotations

from collections.abc import Callable

from engine.metrics.bands import Band, BandedError
from engine.metrics.base import Metric
from engine.metrics.bias import Bias
from engine.metrics.crps import ContinuousRankedProbabilityScore, crps_cells
from engine.metrics.ensemble import EnsembleMetric
from engine.metrics.fractions_skill import FractionsSkillScore
from engine.metrics.histogram import percentile_range
from engine.metrics.js_distance import JensenShannonDistance
from engine.metrics.kl_divergence import KullbackLeiblerDivergence
from engine.metrics.kling_gupta import KlingGuptaEfficiency
from engine.metrics.mae import MeanAbsoluteError
from engine.metrics.nash_sutcliffe import NashSutcliffeEfficiency
from engine.metrics.pearson import PearsonCorrelation
from engine.metrics.perkins import PerkinsSkillScore
from engine.metrics.quantile_bias import QuantileBias
from engine.metrics.rank_histogram import RankHistogram
from engine.metrics.reliability import BrierTerms, Reliability
from engine.metrics.residual import ConservationResidual
from engine.metrics.rmse import RootMeanSquareError
from engine.metrics.scale import Scale, truth_scale
from engine.metrics.spectral_distance import FieldSpectralLogDistance, SpectralLogDistance
from engine.metrics.spread_skill import SpreadSkill
from engine.metrics.ssim import StructuralSimilarity
from engine.metrics.wasserstein import WassersteinDistance

# In every table.
METRICS: dict[str, type[Metric]] = {
    "rmse": RootMeanSquareError,
    "mae": MeanAbsoluteError,
    "bias": Bias,
    "js_distance": JensenShannonDistance,
    "conservation_residual": ConservationResidual,
}

# On request: each is made for the truth's scale. Those of spatial structure take whole fields.
FURTHER_METRICS: dict[str, Callable[[Scale], Metric]] = {
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
ENSEMBLE_METRICS: dict[str, Callable[[Scale], EnsembleMetric]] = {
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
    "Scale",
    "SpectralLogDistance",
    "SpreadSkill",
    "StructuralSimilarity",
    "WassersteinDistance",
    "crps_cells",
    "percentile_range",
    "truth_scale",
]
