"""What is looked at before a raster is read: whether it has a place on the globe, and its size."""
