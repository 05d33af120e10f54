"""How a command starts, and how an error ends it."""
