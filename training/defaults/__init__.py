"""What a configuration leaves open, chosen by the data and said."""
