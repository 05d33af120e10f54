"""Makers of cases, a file for each kind; `listing.GENERATORS` names them all."""
