"""The jobs of training's worker: preparing, training, evaluating and ablating for a parent process."""
