"""Hostile requests, files, packages, configurations, kills, limits and environments, each outcome judged.

`./dev torture` runs it. What the judge knows comes from how a case was made, from rasterio and numpy;
nothing of the engine's own code is asked whether the engine is right.
"""
