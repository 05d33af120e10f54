"""The methods that an evaluation compares, scored by this process or by the workers of a cluster."""
