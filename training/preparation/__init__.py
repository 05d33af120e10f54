"""From rasters as they are to one aligned store."""
