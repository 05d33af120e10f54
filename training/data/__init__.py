"""Archives to train on, and the samples cut from them."""
