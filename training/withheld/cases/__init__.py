"""The cases: each a function that makes one, and a line in the registry."""
