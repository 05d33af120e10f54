"""Every published number again, and whether the claims hold."""
