"""The correction of a coarse product of another origin, as training fits and judges it."""
