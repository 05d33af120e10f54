"""Nash–Sutcliffe efficiency, which is the coefficient of determination R²."""

from __future__ import annotations

from training.metrics.pointwise.moments import PairedMoments
from training.metrics.shown import Shown


class NashSutcliffeEfficiency(PairedMoments):
    """1 − Σ(p − t)² / Σ(t − mean t)²: 1 is perfect, 0 is no better than the truth's mean.

    The same number as the coefficient of determination R² of the prediction; not the square of
    Pearson's correlation, which forgives bias.
    Nash, J. E. & Sutcliffe, J. V. (1970), River flow forecasting through conceptual models, part I.
    """

    SHOWN = Shown("NSE (R²)", "{:.4f}", 1)

    def compute(self) -> float:
        """Return the efficiency, NaN without a valid cell or where the truth is constant."""
        m = self.moments()
        if m is None or m.variance_t == 0:
            return float("nan")
        return 1 - m.mean_square_error / m.variance_t
