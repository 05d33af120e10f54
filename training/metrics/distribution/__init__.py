"""Metrics of distributions, whatever the place of their values."""
