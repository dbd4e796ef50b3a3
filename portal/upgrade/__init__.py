"""Upgrades: what one will do to a database, what of it old processes survive, and the way back."""
