"""Folds of a cross-validation, trained here or by the workers of a cluster."""
