"""Model packages as QGIS needs them: reading their cards, and installing them."""
