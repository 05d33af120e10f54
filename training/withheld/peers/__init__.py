"""Methods that people would take otherwise, after their papers: each a file, and a line in the registry."""
