"""Tasks of training that the workers of a cluster do for a command."""
