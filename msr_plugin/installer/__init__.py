"""Makes the engine's Python environment from inside QGIS: what is needed, from where, step by step."""
