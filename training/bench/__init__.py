"""How fast and how lean, as ratios measured in one run."""
