"""From sources in physical units to the channels that a network sees."""
