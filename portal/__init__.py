"""The portal: pages, both APIs, WebSockets, and what operators look at."""

__version__ = "0.1.0"
"""Of the release that this code is, or comes after; `make release` raises it."""
