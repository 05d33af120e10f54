"""A simulated world for training: terrain, vegetation, weather and snow, from seeds and published formulae.

Nothing in it was measured. It is called simulated wherever it appears.
"""
