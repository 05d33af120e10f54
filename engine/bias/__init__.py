"""Correction of a coarse product of another origin, before anything else is made of it."""
