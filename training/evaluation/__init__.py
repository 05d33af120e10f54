"""Methods compared on an archive: predictions, measurements, scores and their intervals."""
