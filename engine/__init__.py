"""The MSR engine: super-resolution of geophysical rasters, without QGIS."""

from engine.version import VERSION

__version__ = VERSION
