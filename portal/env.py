"""Typed access to environment variables; no other module reads os.environ."""

from __future__ import annotations

import os
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off", ""}


@dataclass(frozen=True)
class Variable:
    """An environment variable, as documented."""

    name: str
    default: str
    meaning: str
    is_secret: bool = False

    @property
    def file_variable(self) -> str:
        """The variable that names a file with the value, as Docker's and Kubernetes' secrets are given."""
        return f"{self.name}_FILE"


VARIABLES: dict[str, Variable] = {}


def _read(name: str, default: str, meaning: str, is_secret: bool = False) -> str:
    VARIABLES[name] = Variable(name, default, meaning, is_secret)
    return _given(VARIABLES[name]) or default


def _given(variable: Variable) -> str:
    """Returns a variable's value; of a secret one that is not set, what the file that `NAME_FILE` names holds.

    Raises ImproperlyConfigured.
    """
    value = os.environ.get(variable.name, "").strip()
    file = os.environ.get(variable.file_variable, "").strip() if variable.is_secret else ""
    if value or not file:
        return value
    try:
        value = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{variable.file_variable}: {file} can't be read: {error}.") from None
    if not value:
        raise ImproperlyConfigured(f"{variable.file_variable}: {file} is empty.")
    return value


def text(name: str, default: str, meaning: str) -> str:
    return _read(name, default, meaning)


def secret(name: str, default: str, meaning: str) -> str:
    """Reads a password or key, a comma-separated list of them, or a URL with one. Its value is redacted everywhere.

    `NAME_FILE` may name a file that holds it instead.
    """
    return _read(name, default, meaning, is_secret=True)


def address(name: str, default: str, meaning: str) -> str:
    """Reads a secret URL, of one host or several with commas between them.

    Raises ImproperlyConfigured if its password is not percent-encoded.
    """
    value = secret(name, default, meaning)
    try:
        for host in urlsplit(value).netloc.rpartition("@")[2].split(","):
            _port = urlsplit(f"//{host}").port
    except ValueError:
        message = f"{name} is no address. Write characters such as / and @ of a password as %2F and %40."
        raise ImproperlyConfigured(message) from None
    return value


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


def choice(name: str, choices: tuple[str, ...], meaning: str) -> str:
    """Reads one of several words, by default the first. Raises ImproperlyConfigured for any other."""
    value = _read(name, choices[0], meaning).lower()
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def items(name: str, default: str, meaning: str, is_secret: bool = False) -> list[str]:
    """Reads a comma-separated list."""
    return [item.strip() for item in _read(name, default, meaning, is_secret).split(",") if item.strip()]


def networks(name: str, default: str, meaning: str) -> list[IPv4Network | IPv6Network]:
    """Reads a comma-separated list of networks such as 10.1.0.0/16. Raises ImproperlyConfigured."""
    try:
        return [ip_network(item) for item in items(name, default, meaning)]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must list networks: {error}.") from None


def path(name: str, default: Path, meaning: str) -> Path:
    return Path(_read(name, str(default), meaning)).expanduser().resolve()


def secrets() -> dict[str, str]:
    """Returns the secret variables that are set, with their values."""
    given = {name: _given(variable) for name, variable in VARIABLES.items() if variable.is_secret}
    return {name: value for name, value in given.items() if value}


def process_environment(**changes: str) -> dict[str, str]:
    """Returns our environment with changes, for a child process."""
    return {**os.environ, **changes}


def environment_without_secrets(**changes: str) -> dict[str, str]:
    """Returns our environment without secrets and with changes, for a child process that doesn't need them."""
    secret = [variable for variable in VARIABLES.values() if variable.is_secret]
    hidden = {variable.name for variable in secret} | {variable.file_variable for variable in secret}
    return {**{name: value for name, value in os.environ.items() if name not in hidden}, **changes}
