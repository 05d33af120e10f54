"""A simulated world to train on (nothing in it was measured), from seeds and published formulae."""
