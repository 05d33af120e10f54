"""Raster files and grids: what a file says of itself, windows read onto any grid, results written."""
