"""Cases run: long-lived workers, forked commands, processes from nothing."""
