"""Metrics of an ensemble's members against one truth."""
