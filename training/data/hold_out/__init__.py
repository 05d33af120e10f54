"""What is held out of training where a configuration does not say it."""
