"""The page of people, and that of an invitation."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tenants import invitations, scope
from tenants.invitations import Invitee
from tenants.models import Invitation, Member, Role, Tenant, User
from tests.conftest import Character, create_member

pytestmark = pytest.mark.django_db
CAROL = "carol@acme.example"
PASSWORD = "a new and long password"
NEW = {"first_name": "Carol", "last_name": "", "password1": PASSWORD, "password2": PASSWORD}


def invited(by: Client, email: str = CAROL, role: str = "editor") -> str:
    """Invites on the page, and returns the path of the link that the page offers to copy."""
    assert by.post("/people/", {"email": email, "role": role}).status_code == 302
    [path] = re.findall(r"http://[^/]+(/accounts/invitations/[^<]+)</code>", by.get("/people/").content.decode())
    return str(path)


def opened(path: str, client: Client) -> str:
    """Opens the link and returns the path of the page it leads to."""
    answer = client.get(path)
    assert answer.status_code == 302
    return str(answer.headers["Location"])


class TestJoining:
    def test_with_a_new_account_one_is_signed_in_and_a_member(self, as_alice: Client, alice: Character) -> None:
        client = Client()
        page = opened(invited(as_alice), client)
        assert "Join Acme" in client.get(page).content.decode()
        assert client.post(page, NEW).headers["Location"] == "/recordings/"
        shown = client.get("/recordings/").content.decode()
        assert "Welcome to Acme. Your role is Editor." in shown
        assert User.objects.get(email=CAROL).check_password(PASSWORD)
        assert client.get(page).status_code == 410

    def test_a_weak_password_is_refused_and_makes_no_account(self, as_alice: Client) -> None:
        client = Client()
        page = opened(invited(as_alice), client)
        answer = client.post(page, NEW | {"password1": "carol", "password2": "carol"})
        assert "too short" in str(answer.context["form"].errors["password1"])
        assert not User.objects.filter(email=CAROL).exists()

    def test_who_has_an_account_signs_in_and_joins(self, as_alice: Client, mallory: Character) -> None:
        client = Client()
        page = opened(invited(as_alice, mallory.user.email), client)
        assert f"/accounts/login/?next={page}" in client.get(page).content.decode()
        client.post(page, NEW)
        assert mallory.user.memberships.count() == 1
        client.post("/accounts/login/", {"login": mallory.user.email, "password": "correct horse"})
        client.post(page)
        assert mallory.user.memberships.count() == 2

    def test_somebody_else_who_is_signed_in_is_told_whose_it_is(self, as_alice: Client, as_bob: Client) -> None:
        page = opened(invited(as_alice), as_bob)
        assert "for carol@acme.example, and you are signed in as bob@acme.example" in as_bob.get(page).content.decode()
        as_bob.post(page, NEW)
        assert not Member.objects.filter(user__email=CAROL).exists()

    def test_without_the_link_the_page_shows_nothing(self, as_alice: Client) -> None:
        invited(as_alice)
        with scope.across_tenants("a test"):
            row = Invitation.objects.get()
        for path in (f"/accounts/invitations/{row.id}/", opened(f"/accounts/invitations/{row.id}-guess/", Client())):
            answer = Client().get(path)
            assert (answer.status_code, CAROL in answer.content.decode()) == (410, False)


class TestThePage:
    def test_a_list_is_invited_at_once_and_a_wrong_line_is_named(self, as_alice: Client) -> None:
        file = SimpleUploadedFile("people.csv", b"carol@acme.example,viewer\nnobody")
        answer = as_alice.post("/people/many/", {"file": file, "role": "editor"})
        assert "Line 2: “nobody” is no e-mail address." in answer.content.decode()
        lines = {"people": "carol@acme.example,viewer\r\ndave@acme.example", "role": "editor"}
        assert as_alice.post("/people/many/", lines).status_code == 302
        page = as_alice.get("/people/").content.decode()
        assert page.count("Copy the link for") == 2

    def test_an_admin_is_offered_no_owner(self, acme: Tenant, alice: Character, client: Client) -> None:
        client.force_login(create_member(acme, "adam@acme.example", Role.ADMIN).user)
        page = client.get("/people/").content.decode()
        assert 'value="owner"' not in page
        assert f"/people/{alice.member.id}/remove/" not in page
        client.post("/people/", {"email": CAROL, "role": "owner"})
        with scope.bound(acme.id):
            assert not Invitation.objects.exists()

    def test_an_admin_sees_no_link_with_which_he_could_become_an_owner(
        self, as_alice: Client, acme: Tenant, client: Client
    ) -> None:
        path = invited(as_alice, role="owner")
        client.force_login(create_member(acme, "adam@acme.example", Role.ADMIN).user)
        page = client.get("/people/").content.decode()
        assert CAROL in page
        assert path not in page
        invitation_id = path.split("/")[3][:36]
        for what in ("again", "revoke"):
            assert client.post(f"/invitations/{invitation_id}/{what}/").status_code == 403
        assert client.post("/people/", {"email": CAROL, "role": "viewer"}).status_code == 403

    def test_a_viewer_sees_people_and_may_leave_and_no_invitation(
        self, as_alice: Client, as_bob: Client, bob: Character
    ) -> None:
        invited(as_alice)
        page = as_bob.get("/people/").content.decode()
        assert "alice@acme.example" in page
        assert CAROL not in page
        assert as_bob.post(f"/people/{bob.member.id}/remove/", {"keys": "revoke"}).status_code == 302
        assert as_bob.get("/people/").status_code == 403

    def test_the_only_owner_is_told_why_she_can_not_leave(self, as_alice: Client, alice: Character) -> None:
        as_alice.post(f"/people/{alice.member.id}/remove/", {"keys": "revoke"})
        assert "is the only owner" in as_alice.get("/people/").content.decode()

    def test_people_and_invitations_take_no_more_queries(
        self, as_alice: Client, alice: Character, django_assert_max_num_queries: object
    ) -> None:
        for number in range(5):
            create_member(alice.tenant, f"{number}@acme.example", Role.VIEWER)
        with scope.bound(alice.tenant.id):
            invitations.invite(alice.actor, [Invitee(f"i{number}@acme.example", Role.VIEWER) for number in range(5)])
        with django_assert_max_num_queries(12):  # type: ignore[operator]
            as_alice.get("/people/")
