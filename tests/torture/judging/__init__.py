"""Outcomes judged by what is known of how the case was made, with numpy, rasterio and pyproj alone."""
