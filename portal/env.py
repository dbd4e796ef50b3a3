"""The only reader of os.environ: typed access to every setting an operator may give."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off", ""}


@dataclass(frozen=True)
class Variable:
    """One environment variable as the documentation lists it."""

    name: str
    default: str
    meaning: str


VARIABLES: dict[str, Variable] = {}


def _read(name: str, default: str, meaning: str) -> str:
    VARIABLES[name] = Variable(name, default, meaning)
    return os.environ.get(name, "").strip() or default


def text(name: str, default: str, meaning: str) -> str:
    return _read(name, default, meaning)


def integer(name: str, default: int, meaning: str) -> int:
    """Raises ImproperlyConfigured unless the value is a whole number."""
    value = _read(name, str(default), meaning)
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None


def flag(name: str, default: bool, meaning: str) -> bool:
    """Raises ImproperlyConfigured unless the value is one of yes/no, true/false, on/off, 1/0."""
    value = _read(name, "yes" if default else "no", meaning).lower()
    if value in TRUE_WORDS:
        return True
    if value in FALSE_WORDS:
        return False
    raise ImproperlyConfigured(f"{name} must be yes or no, not {value!r}.")


def items(name: str, default: str, meaning: str) -> list[str]:
    """A comma-separated list."""
    return [item.strip() for item in _read(name, default, meaning).split(",") if item.strip()]


def networks(name: str, default: str, meaning: str) -> list[IPv4Network | IPv6Network]:
    """A comma-separated list of networks as in 10.1.0.0/16. Raises ImproperlyConfigured."""
    try:
        return [ip_network(item) for item in items(name, default, meaning)]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must list networks: {error}.") from None


def path(name: str, default: Path, meaning: str) -> Path:
    return Path(_read(name, str(default), meaning)).expanduser().resolve()


def process_environment(**changes: str) -> dict[str, str]:
    """What a child process is started with: our environment and the given changes."""
    return {**os.environ, **changes}
