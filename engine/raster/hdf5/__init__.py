"""What an HDF5 file points to outside itself, read from its structure before a library follows it."""
