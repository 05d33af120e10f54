"""How a dialog asks for a choice: methods and models by name, dates of the chosen raster."""
