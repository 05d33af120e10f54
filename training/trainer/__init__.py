"""The training of one network: steps, losses, validation, checkpoints, package."""
