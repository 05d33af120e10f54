"""The main job on real data, from rasters to rasters, through QGIS."""
