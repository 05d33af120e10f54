"""What the models are said to be able to do, computed anew: figures, claims and their bars."""
