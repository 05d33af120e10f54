"""NetCDF, HDF5 and Zarr by the CF conventions: variables, axes, values."""
