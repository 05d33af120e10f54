"""One run, from a request to the files that it writes."""
