"""A last training, on what was held out to judge the first."""
