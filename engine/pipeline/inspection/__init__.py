"""What is seen of a run's rasters before it: a few cells of each, and how each was understood."""
