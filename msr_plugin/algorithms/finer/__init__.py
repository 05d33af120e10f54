"""What a newcomer uses first: one form to make a raster finer, its result in words, methods compared."""
