"""The MSR engine: super-resolution of geophysical rasters, without QGIS."""
