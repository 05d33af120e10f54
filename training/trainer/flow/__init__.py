"""How a flow learns the residuals of an ensemble's members."""
