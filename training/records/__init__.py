"""Records of runs, and the code that reads and writes them."""
