"""The algorithms that hand on and remove model packages."""
