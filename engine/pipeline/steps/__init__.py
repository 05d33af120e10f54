"""One step of a run, a tile at a date: made by itself, and summed up with the others."""
