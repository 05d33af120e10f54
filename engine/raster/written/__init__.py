"""The forms in which results are written beside GeoTIFF: CF-NetCDF and Zarr."""
