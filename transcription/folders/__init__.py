"""Folders: which recordings somebody sees by them and what they may do there, and the folders themselves."""
