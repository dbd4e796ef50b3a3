"""A first tenant to look around with: its owner, an operator for the admin, and an API key."""

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
    """How to get in, as the first start writes it down."""

    url: str
    staff_email: str
    staff_password: str
    admin_email: str
    admin_password: str
    api_key: str

    def write(self, file: Path) -> None:
        """Readable by this account alone."""
        text = "".join(f"{name}: {value}\n" for name, value in vars(self).items())
        fresh = file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(text)
        fresh.replace(file)


def credentials_file() -> Path:
    return Path(settings.DATA) / "credentials.txt"


def is_new_installation() -> bool:
    """Whether nobody uses it yet."""
    return not User.objects.exists() and not Tenant.objects.exists()


def create(url: str) -> Credentials:
    """Makes the tenant and its people, and writes the credentials file."""
    staff_password, admin_password = secrets.token_urlsafe(12), secrets.token_urlsafe(12)
    with transaction.atomic():
        tenant = Tenant.objects.create(name="Demo")
        Quota.with_defaults(tenant).save()
        owner = User.objects.create_user(STAFF_EMAIL, staff_password)
        Member.objects.create(tenant=tenant, user=owner, role=Role.OWNER)
        User.objects.create_superuser(OPERATOR_EMAIL, admin_password)
        _key, secret = api_keys.issue(tenant, "First key", owner)
        made = Credentials(url, STAFF_EMAIL, staff_password, OPERATOR_EMAIL, admin_password, secret)
        made.write(credentials_file())
    return made


def curl_line(url: str) -> str:
    """A first request, to be pasted into a shell on this machine."""
    key = f"$(sed -n 's/^api_key: //p' '{credentials_file()}')"
    form = f"-F model=whisper-1 -F file=@'{SAMPLE}'"
    return f'curl -H "Authorization: Bearer {key}" {form} {url}/v1/audio/transcriptions'
