"""Words of the algorithms that make a finer raster: help of their parameters, names of their numbers."""

from __future__ import annotations

NUMBERS = {
    "RESIDUAL": ("residual", "Largest coarse-cell residual"),
    "RESIDUAL_ORIGINAL": ("residual_original", "Largest residual against the raster as given"),
    "OUTSIDE_RANGE": ("outside_range", "Share of cells outside the training range"),
    "COVERED": ("covered", "Share of the output covered"),
    "TILES": ("tiles", "Tiles"),
    "SECONDS": ("seconds", "Seconds"),
}
TEXTS = {
    "TARGET": "The coarse raster that becomes finer. A file that GDAL reads, with a coordinate reference "
    "system; in scripts also FILE:VARIABLE, such as era5.nc:t2m.",
    "TARGET_BAND": "The band to use, which a raster of several bands without dates needs. Not set: the band "
    "that the date picks.",
    "DATE": "YYYY-MM-DD, YYYY-MM-DDTHH:MM (UTC), YYYY-MM, MM for a month of any year, or a span such as "
    "2018-10..2019-06. Empty: the date that the target's band carries.",
    "ALL_DATES": "Make one band for each date of the target, instead of one for a single date.",
    "AGGREGATE": "What becomes of several steps of a date, such as the hours of a day: the mean or the sum "
    "of each day's or month's. Sums are for amounts, such as mm of rain; sources in other units "
    "than the target are averaged.",
    "REFERENCE": "A raster whose grid the output takes. Empty: the target's own cells, each divided by the "
    "factor, so that the means of its cells are kept exactly.",
    "DOMAIN": "A mask of the cells that the coarse values speak of, such as land or a glacier (any number "
    "but 0): the others get no value and have no part in coarse means. Empty: the model's own mask, else "
    "every cell.",
    "EXTENT": "The extent to write. Empty: the whole target.",
    "RESOLUTION": "The cell size to write, in units of the CRS. Empty: the target's, divided by the factor.",
    "CRS": "The coordinate reference system to write. Empty: the target's.",
    "CONSERVATION": "How far the output is corrected so that its means over the coarse cells are the "
    "target's: 0 not at all, 1 exactly.",
    "DEVICE": "auto takes the best that there is; or cpu, cuda (in scripts also cuda:1 and so on), mps.",
    "TILE": "The edge of a tile in coarse cells, which does not change the result. 0: chosen by the memory "
    "that is free.",
    "ALIKE": "Show the coarse raster, where it is a layer of the project, in the colours of the result.",
    "OUTPUT": "The finer raster: a Cloud Optimized GeoTIFF, or by its name's ending a CF-NetCDF (.nc) or "
    "a Zarr store (.zarr). Of a temporary one “Output format” says it.",
}
