"""Metrics of pairs of cells: errors, biases, correlations."""
