"""From coarse to fine without learning, as functions of fields."""
