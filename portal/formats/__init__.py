"""Formats of dates in a language, where Django's own are not those of the pages."""
