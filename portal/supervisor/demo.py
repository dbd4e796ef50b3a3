"""Creates a first tenant to try the portal with: its owner, an operator for the admin, and an API key."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction

from tenants import api_keys
from tenants.models import Member, Quota, Role, Tenant, User

STAFF_EMAIL = "owner@example.com"
OPERATOR_EMAIL = "operator@example.com"
SAMPLE = settings.BASE_DIR / "docs" / "samples" / "quick_brown_fox.wav"


@dataclass(frozen=True)
class Credentials:
    """The URL, passwords and API key that the first start writes to the credentials file."""

    url: str
    staff_email: str
    staff_password: str
    admin_email: str
    admin_password: str
    api_key: str

    def write(self, file: Path) -> None:
        """Replaces `file` by one that only this account can read."""
        text = "".join(f"{name}: {value}\n" for name, value in vars(self).items())
        fresh = file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(text)
        fresh.replace(file)


def credentials_file() -> Path:
    return Path(settings.DATA) / "credentials.txt"


def is_new_installation() -> bool:
    """Returns whether there are neither users nor tenants."""
    return not User.objects.exists() and not Tenant.objects.exists()


def create(url: str) -> Credentials:
    """Creates the tenant and its people, and writes the credentials file."""
    staff_password, admin_password = secrets.token_urlsafe(12), secrets.token_urlsafe(12)
    with transaction.atomic():
        tenant = Tenant.objects.create(name="Demo")
        Quota.with_defaults(tenant).save()
        owner = User.objects.create_user(STAFF_EMAIL, staff_password)
        Member.objects.create(tenant=tenant, user=owner, role=Role.OWNER)
        User.objects.create_superuser(OPERATOR_EMAIL, admin_password)
        _key, secret = api_keys.issue(tenant, "First key", owner)
        credentials = Credentials(url, STAFF_EMAIL, staff_password, OPERATOR_EMAIL, admin_password, secret)
        credentials.write(credentials_file())
    return credentials


def curl_line(url: str) -> str:
    """Returns a command for a shell on this machine that transcribes a sample."""
    key = f"$(sed -n 's/^api_key: //p' '{credentials_file()}')"
    form = f"-F model=whisper-1 -F file=@'{SAMPLE}'"
    return f'curl -H "Authorization: Bearer {key}" {form} {url}/v1/audio/transcriptions'
