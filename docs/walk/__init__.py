"""A walk through MSR in a window of QGIS, from the zip to a model of one's own, that a command repeats."""
