"""Streaming metrics: init, update, merge, compute."""
