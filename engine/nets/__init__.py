"""Networks: what they are made of, and the step from a patch to a field in physical units."""
