"""Cascades, which learn from the coarse field alone: training, cross-validation, maps."""
