"""Guests by e-mail: each has a link of their own by mail, is known by the address, and is shut out alone."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client

from tenants import scope
from tenants.models import AuditEntry, KeyScope, Tenant
from tests.conftest import Character
from tests.portal.api.characters import bearer, send
from tests.portal.shared.test_comments import post, said
from tests.portal.shared.test_corrections import correct, tags
from tests.portal.web.conftest import signed_in
from transcription.errors import InvalidOption, Refused
from transcription.models import Comment, Revision, Transcription
from transcription.shares import guest_mails, links
from transcription.shares.links import LinkOptions
from transcription.shares.models import Share

pytestmark = pytest.mark.django_db
JANE, JOHN = "jane@press.example", "john@press.example"


def invite(who: Character, row: Transcription, *emails: str, **wanted: object) -> dict[str, str]:
    """Invites guests, and returns the paths of the links that they got, by their addresses."""
    with scope.bound(who.tenant.id):
        links.invite(who.actor, row.recording_id, LinkOptions(**wanted), emails)  # type: ignore[arg-type]
    guest_mails.send_due()
    found = {}
    for one in mail.outbox:
        [path] = re.findall(r"(/s/[\w-]{43}/)", str(one.body))
        found[one.to[0]] = path
    return found


def entered(path: str, address: str = "203.0.113.9") -> Client:
    client = Client(REMOTE_ADDR=address)
    assert client.post(path).status_code == 303
    return client


def test_each_guest_gets_a_link_by_mail_and_writes_under_the_address(
    alice: Character, interview: Transcription
) -> None:
    paths = invite(alice, interview, f" {JANE.upper()}", JOHN, level="edit", label="Press")
    assert sorted(paths) == [JANE, JOHN]
    assert guest_mails.send_due() == 0  # once
    body = mail.outbox[0].body
    assert "alice@acme.example of Acme shares a recording with you" in body
    assert "Interview" not in body
    assert "to one person by e-mail" in Client().get(paths[JANE]).content.decode()  # programs open nothing
    jane, john = entered(paths[JANE]), entered(paths[JOHN])
    page = jane.get(paths[JANE]).content.decode()
    assert f"stands there as from {JANE}" in page
    hers = said(jane, paths[JANE], "Who says that?", name="Somebody else")
    assert hers.author == f"{JANE} (by link Press)"
    assert correct(jane, paths[JANE], 0, tags(jane, paths[JANE])[0], name="").status_code == 200
    with scope.bound(alice.tenant.id):
        assert Revision.objects.get().author == f"{JANE} (by link Press)"
        assert AuditEntry.objects.get(action="comment.created").actor_name == f"{JANE} (by link Press)"
    shown = john.get(f"{paths[JOHN]}comments/").json()["html"]
    assert ">jane<" in shown
    assert JANE not in shown
    assert post(john, f"{paths[JOHN]}comments/{hers.id}/", {"do": "change", "text": "Mine"}).status_code == 403
    again = entered(paths[JANE], "198.51.100.7")  # another day, another place
    assert post(again, f"{paths[JANE]}comments/{hers.id}/", {"do": "change", "text": "Hers"}).status_code == 200


def test_guests_are_listed_with_when_they_opened_and_shut_out_alone(
    client: Client, alice: Character, interview: Transcription
) -> None:
    as_alice = signed_in(client, alice)
    part = as_alice.post(
        f"/recordings/{interview.recording_id}/shares/",
        {"share-guests_by_mail": f"{JANE}\r\n{JOHN};", "share-level": "comment"},
        headers={"X-Requested-With": "XMLHttpRequest"},
    ).content.decode()
    assert "The links are on their way" in part
    assert "the mail is on its way" in part
    assert "/s/" not in part  # whoever shares is not the guest
    paths = invite(alice, interview)
    entered(paths[JANE])
    with scope.bound(alice.tenant.id):
        row = Share.objects.get(email=JANE)
        assert (row.openings, Share.objects.get(email=JOHN).last_opened_at) == (1, None)
    page = as_alice.get("/shares/").content.decode()
    assert JANE in page
    assert "e-mailed" in page
    as_alice.post(f"/shares/{row.id}/revoke/")
    assert [Client().post(paths[one]).status_code for one in (JANE, JOHN)] == [404, 303]


def test_an_organisation_may_have_no_guests(alice: Character, interview: Transcription, client: Client) -> None:
    paths = invite(alice, interview, JANE)
    jane = entered(paths[JANE])
    with scope.bound(alice.tenant.id):
        other = links.create(alice.actor, interview.recording_id, LinkOptions()).secret
    signed_in(client, alice).post("/preferences/access/", {"allows_sharing": "on"})
    assert not Tenant.objects.get(id=alice.tenant.id).allows_guests
    assert jane.get(paths[JANE]).status_code == 404
    assert Client().get(f"/s/{other}/").status_code == 200
    with scope.bound(alice.tenant.id), pytest.raises(Refused, match="sends no links by e-mail"):
        links.invite(alice.actor, interview.recording_id, LinkOptions(), [JOHN])


def test_nothing_is_mailed_for_links_that_ended_nor_to_what_is_no_address(
    alice: Character, interview: Transcription
) -> None:
    with scope.bound(alice.tenant.id):
        for wrong in ("jane", "jane@press.example\nBcc: all@press.example", f"{'x' * 60}@{'y' * 60}.example"):
            with pytest.raises(InvalidOption):
                links.invite(alice.actor, interview.recording_id, LinkOptions(), [JOHN, wrong])
        assert not Share.objects.exists()
        [row] = links.invite(alice.actor, interview.recording_id, LinkOptions(), [JANE])
        links.revoke(alice.actor, row.id)
    assert guest_mails.send_due() == 0
    assert not mail.outbox


def test_programs_invite_guests_and_never_see_their_links(
    client: Client, alice: Character, interview: Transcription
) -> None:
    address = f"/api/v1/recordings/{interview.recording_id}/shares"
    made = send(client, "POST", address, bearer(alice, KeyScope.WRITE), {"email": JANE, "level": "comment"})
    body = made.json()
    assert (made.status_code, body["url"], body["email"], body["mailed_at"]) == (201, None, JANE, None)
    assert guest_mails.send_due() == 1
    assert send(client, "GET", made["Location"], bearer(alice, KeyScope.WRITE)).json()["mailed_at"]
    with scope.bound(alice.tenant.id):
        assert not Comment.objects.exists()
