"""Arithmetic of gridded tensors with holes: windows, means, enlargement, conservation."""
