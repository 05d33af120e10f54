"""Model packages at work: loaded, measured, and called as methods."""
