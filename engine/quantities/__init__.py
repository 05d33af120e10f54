"""What units in files mean: the words that people write, pint's units for them, lengths of months."""
