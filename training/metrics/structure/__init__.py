"""Metrics of whole fields: spectra, neighbourhoods, structure."""
