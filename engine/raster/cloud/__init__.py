"""Rasters on servers: addresses and what may be told of them, stores, references to pieces of other files."""
