"""What GDAL may do with a raster: its options, drivers and variables, and what files may refer to."""
