"""What the user sees: icons, and the colours of results."""
