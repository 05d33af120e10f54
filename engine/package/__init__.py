"""Model packages on disk: card, schema, weights and their checks."""
