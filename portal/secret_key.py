"""Django's SECRET_KEY where the operator gave none: made once and kept beside the data."""

from __future__ import annotations

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key


def kept_secret_key(folder: Path) -> str:
    """Returns the key in `folder`/secret_key (mode 0600), made on first use.

    Two processes that start together agree: the file is created exclusively, the loser reads.
    Raises ImproperlyConfigured.
    """
    try:
        return _kept(folder / "secret_key")
    except OSError as error:
        raise ImproperlyConfigured(f"{folder} can't be written: {error.strerror}.") from None


def _kept(file: Path) -> str:
    folder = file.parent
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"secret_key.{os.getpid()}"
    if not file.exists():
        fresh.touch(mode=0o600)
        fresh.write_text(get_random_secret_key())
        try:
            os.link(fresh, file)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return file.read_text().strip()
