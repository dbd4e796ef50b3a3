from __future__ import annotations


class ProviderFailure(Exception):
    """A provider can't be used, or what it sent must not be believed. The message tells people what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
