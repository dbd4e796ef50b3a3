"""Sign-up by a domain that an organisation lets in: the mailbox is the door."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from tenants import invitations, scope
from tenants.models import AllowedDomain, AuditEntry, Invitation, Member, Role, Tenant, User
from tests.conftest import Character

pytestmark = pytest.mark.django_db
PAGE = "/accounts/signup/"
NEW = "a new and long password"


def ask(email: str, client: Client | None = None) -> str:
    answer = (client or Client()).post(PAGE, {"email": email})
    return re.sub(r'csrf[^"]*" (?:content|value)="[^"]*"', "", answer.content.decode())


def links() -> list[str]:
    """Sends what waits, and returns the links that were mailed."""
    invitations.send_due()
    return re.findall(r"https?://[^/]+(/accounts/invitations/\S+)", "\n".join(str(one.body) for one in mail.outbox))


def roles_of(email: str) -> list[str]:
    return list(Member.objects.filter(user__email=email).values_list("role", flat=True))


@pytest.fixture
def open_domain(acme: Tenant) -> AllowedDomain:
    with scope.bound(acme.id):
        return AllowedDomain.objects.create(tenant=acme, domain="acme.example", role=Role.EDITOR)


def test_without_an_allowed_domain_there_is_no_form(client: Client, acme: Tenant) -> None:
    page = client.get(PAGE).content.decode()
    assert "By invitation" in page
    assert 'name="email"' not in page
    ask("carol@acme.example")
    assert links() == []


def test_who_gets_mail_at_the_domain_joins_with_the_role_of_newcomers(
    open_domain: AllowedDomain, alice: Character
) -> None:
    carol = Client()
    ask("Carol@ACME.example", carol)
    [link] = links()
    assert "You can join Acme" in str(mail.outbox[0].body)
    assert not User.objects.filter(email="carol@acme.example").exists()
    page = carol.get(link, follow=True)
    carol.post(page.redirect_chain[-1][0], {"password1": NEW, "password2": NEW})
    assert roles_of("carol@acme.example") == ["editor"]
    assert carol.get("/recordings/").status_code == 200
    with scope.bound(alice.tenant.id):
        told = AuditEntry.objects.get(action="invitation.created")
    assert (told.actor_kind, told.details) == ("system", {"email": "carol@acme.example", "role": "editor"})


@pytest.mark.parametrize(
    "email",
    [
        "mallory@evil.example",
        "mallory@sub.acme.example",
        "mallory@acme.example.evil.example",
        '"x@acme.example"@evil.example',
        "mallory@ａcme.example",
        "alice@acme.example",
    ],
)
def test_everybody_else_gets_no_mail_and_the_same_page(
    email: str, open_domain: AllowedDomain, alice: Character
) -> None:
    assert ask(email) == ask("carol@acme.example")
    assert len(links()) == 1
    assert [one.to for one in mail.outbox] == [["carol@acme.example"]]


def test_an_invitation_keeps_its_link_and_role(open_domain: AllowedDomain, alice: Character) -> None:
    with scope.bound(alice.tenant.id):
        invitations.invite(alice.actor, [invitations.Invitee("carol@acme.example", Role.ADMIN)])
    first = links()
    ask("carol@acme.example")
    assert links() == first * 2
    with scope.bound(alice.tenant.id):
        assert Invitation.objects.get().role == Role.ADMIN


def test_mails_are_bounded(open_domain: AllowedDomain, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(9):
        ask("carol@acme.example")
        links()
    assert len(mail.outbox) == 5, "to one address in an hour"
    client = Client()
    answers = [client.post(PAGE, {"email": f"{number}@acme.example"}) for number in range(9)]
    assert [one.status_code for one in answers] == [200] + [429] * 8, "ten from one address"


def test_operators_say_which_domain_and_the_people_page_does(
    alice: Character, as_alice: Client, open_domain: AllowedDomain
) -> None:
    page = as_alice.get("/people/").content.decode()
    assert "Whoever has an address of acme.example can join as Editor" in page
    operator = Client()
    operator.force_login(User.objects.create_superuser("olivia@portal.example", "correct horse"))
    for domain, is_taken in (("Acme.org", False), ("acme", False), ("user@acme.org", False), ("acme.org", True)):
        form = change_form(operator, alice.tenant, domain)
        answer = operator.post(f"/admin/tenants/tenant/{alice.tenant.pk}/change/", form)
        assert (answer.status_code == 302) is is_taken, domain
    with scope.bound(alice.tenant.id):
        told = AuditEntry.objects.get(action="tenant.changed")
    assert told.details == {"fields": ["allowed_domains"], "domains": ["acme.example", "acme.org"]}


def change_form(operator: Client, tenant: Tenant, domain: str) -> dict[str, Any]:
    """Returns the admin's form as it is, with one more domain."""
    page = operator.get(f"/admin/tenants/tenant/{tenant.pk}/change/")
    form: dict[str, Any] = {}
    for part in [page.context["adminform"].form, *(one.formset for one in page.context["inline_admin_formsets"])]:
        for one in [part] if hasattr(part, "fields") else [part.management_form, *part.forms]:
            for bound in one:
                value = bound.value()
                form[bound.html_name] = "" if value is None else value
    prefix = "allowed_domains"
    form |= {f"{prefix}-TOTAL_FORMS": 2, f"{prefix}-1-tenant": tenant.pk}
    return form | {f"{prefix}-1-domain": domain, f"{prefix}-1-role": "viewer"}
