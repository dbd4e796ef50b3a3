"""Errors of API keys."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied

EXPIRED, REPLACED, ADDRESS = "key_expired", "secret_replaced", "address_not_allowed"


class KeyRefused(PermissionDenied):
    """The secret is valid, but the key may not be used for this request.

    `code` is key_expired, secret_replaced or address_not_allowed. The message explains it to the secret's holder.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class InvalidKey(ValueError):
    """A value of a key's `field` is invalid. The message says what it must be."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class KeyConflict(Exception):
    """The key's state forbids it. `code`: key_revoked, key_expired, rotation_under_way or too_many_keys."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
