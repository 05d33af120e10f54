"""Cases whose fine truth is withheld from all but the score, and methods that people would take."""
