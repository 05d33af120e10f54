"""The algorithms that prepare data, train models and judge them, through training's own worker."""
