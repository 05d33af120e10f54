"""What a store holds, as Zarr with CF axes: xarray, GDAL and QGIS open it too.

`target_coarse` (time, y, x); `target_fine` (time, fine_y, fine_x), absent where there is no fine
truth; every source by its name, (time, channel, ·, ·) less what does not apply: static ones have no
time, only angles (sine, cosine) and classes (cover fractions) have channels. float32, NaN where
missing, in the units of each array's attributes. `date` holds the dates as the engine reads them.
The group's attributes name the data set, the factor, the CRS, and what was learnt on the way.
"""

VERSION = 1  # of this layout
COARSE, FINE = "target_coarse", "target_fine"  # names of the target's arrays
