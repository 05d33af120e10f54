"""The machine that computes: devices, precision and memory, and what was measured of it."""
