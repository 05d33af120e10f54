"""The same field written in another form: each gives the same numbers at the same places."""
