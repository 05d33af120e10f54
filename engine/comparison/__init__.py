"""Methods side by side on a user's raster: each brings back what is known, and is measured by it."""
