"""An operator makes a tenant on the command line, and its owner takes it over by a link."""

from __future__ import annotations

from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from tenants import scope
from tenants.models import AuditEntry, Invitation, Member, Role, Tenant

pytestmark = pytest.mark.django_db
PASSWORD = "a new and long password"


def create(name: str, owner: str) -> str:
    out = StringIO()
    call_command("tenant", "create", name, "--owner", owner, stdout=out, stderr=StringIO())
    return out.getvalue().strip()


def test_the_owner_takes_it_over(client: Client) -> None:
    page = client.get(urlsplit(create("Clinic", "Dana@Clinic.example")).path, follow=True)
    client.post(
        page.redirect_chain[-1][0],
        {"first_name": "Dana", "last_name": "", "password1": PASSWORD, "password2": PASSWORD},
    )
    owner = Member.objects.get(tenant__name="Clinic")
    assert (owner.user.email, owner.role) == ("dana@clinic.example", Role.OWNER)
    assert owner.tenant.quota.monthly_seconds > 0
    with scope.bound(owner.tenant.id):
        made = AuditEntry.objects.get(action="tenant.created")
    assert made.tenant == owner.tenant


@pytest.mark.parametrize(
    ("name", "owner"), [("", "dana@clinic.example"), ("x" * 500, "d@c.example"), ("Clinic", "dana")]
)
def test_what_is_wrong_is_said_and_nothing_is_made(name: str, owner: str) -> None:
    with pytest.raises(CommandError):
        create(name, owner)
    assert not Tenant.objects.exists()
    with scope.across_tenants("whether anybody was invited"):
        assert not Invitation.objects.exists()
