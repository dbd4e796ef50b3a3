"""Alice shares a recording on its page, sees who opened the link, and ends it; owners see all links."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from tenants import scope
from tenants.models import Member, Role, Tenant, User
from tests.conftest import Character, create_member
from tests.portal.web.conftest import Make, signed_in
from transcription.library import recordings
from transcription.models import Transcription
from transcription.shares import links
from transcription.shares.links import LinkOptions
from transcription.shares.models import Share

pytestmark = pytest.mark.django_db
SCRIPT = {"X-Requested-With": "XMLHttpRequest"}


@pytest.fixture
def row(alice: Character, make: Make) -> Transcription:
    return make(alice.tenant)


@pytest.fixture
def adam(alice: Character) -> Character:
    return create_member(alice.tenant, "adam@acme.example", Role.EDITOR)


def link_in(page: str) -> str:
    """Returns the path of the one link that a page shows."""
    [path] = set(re.findall(r"http://127\.0\.0\.1:\d+(/s/[\w-]{32}/)", page))
    return str(path)


def shared_by(who: Character, row: Transcription, **wanted: object) -> str:
    with scope.bound(row.tenant_id):
        return f"/s/{links.create(who.actor, row.recording_id, LinkOptions(**wanted)).secret}/"  # type: ignore[arg-type]


def test_a_link_is_made_in_the_dialog_and_shown_once(as_alice: Client, row: Transcription) -> None:
    assert 'data-open-dialog="share"' in as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    address = f"/recordings/{row.recording_id}/shares/"
    day = (timezone.localdate() + timedelta(days=3)).isoformat()
    fields = {"share-label": "For Guest", "share-expires_on": day, "share-with_sound": "on", "share-start": "0:04"}
    fields["share-level"] = "comment"
    part = as_alice.post(address, fields, headers=SCRIPT).content.decode()
    assert part.lstrip().startswith('<div class="stack" data-part>')
    guest = Client().get(link_in(part)).content.decode()
    assert f"until {date_format(timezone.localdate() + timedelta(days=3), 'j F Y')}<" in guest
    assert "There are &lt;b&gt;two&lt;/b&gt; risks." in guest
    assert "Good morning." not in guest
    page = as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
    assert "For Guest" in page
    assert "/s/" not in page
    with scope.bound(row.tenant_id):
        made = Share.objects.get()
    assert (made.excerpt, made.with_sound, made.with_download) == ((4.0, 100.4), True, False)
    assert "Comment, too" in page
    assert made.level == "comment"
    assert timezone.localtime(made.expires_at).hour == 0
    whole = as_alice.post(address, {}).content.decode()  # a browser without scripts
    assert "Board meeting.mp3" in whole
    assert link_in(whole)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("share-start", "soon", "Write it as minutes and seconds"),
        ("share-start", "59:59", "The excerpt must end after it begins"),
        ("share-expires_on", "2001-01-01", "The expiry must be in the future"),
        ("share-password", "short", "The password must have 8 to 200 characters"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    as_alice: Client, row: Transcription, field: str, value: str, said: str
) -> None:
    part = as_alice.post(f"/recordings/{row.recording_id}/shares/", {field: value}, headers=SCRIPT).content.decode()
    assert said in part
    with scope.bound(row.tenant_id):
        assert not Share.objects.exists()


def test_who_only_reads_is_not_asked_to_share(as_bob: Client, row: Transcription) -> None:
    assert 'data-open-dialog="share"' not in as_bob.get(f"/recordings/{row.recording_id}/").content.decode()


def test_a_page_says_who_opened_it_and_how_often(as_alice: Client, alice: Character, row: Transcription) -> None:
    path = shared_by(alice, row, label="For Guest")
    for address in ("203.0.113.9", "203.0.113.9", "198.51.100.7"):
        Client(REMOTE_ADDR=address).get(path)
    with scope.bound(row.tenant_id):
        share = Share.objects.get()
    page = as_alice.get(f"/shares/{share.id}/").content.decode()
    assert len(re.findall(r"<code>[0-9a-f]{16}</code>", page)) == 2
    assert "203.0.113.9" not in page


def test_a_revoked_link_opens_nothing(as_alice: Client, alice: Character, row: Transcription) -> None:
    path = shared_by(alice, row)
    with scope.bound(row.tenant_id):
        share = Share.objects.get()
    answer = as_alice.post(f"/shares/{share.id}/revoke/")
    assert answer["Location"] == f"/recordings/{row.recording_id}/"
    assert Client().get(path).status_code == 404


def test_owners_see_all_links_and_end_those_of_one_member(
    as_alice: Client, alice: Character, adam: Character, row: Transcription
) -> None:
    of_alice, of_adam = shared_by(alice, row, label="From Alice"), shared_by(adam, row, label="From Adam")
    page = as_alice.get("/shares/").content.decode()
    assert "From Alice" in page
    assert "From Adam" in page
    page = as_alice.get("/shares/?maker=adam@acme.example&state=open").content.decode()
    assert "From Alice" not in page
    assert "Revoke all of adam@acme.example" in page
    as_alice.post("/shares/revoke/", {"maker": "adam@acme.example"})
    assert [Client().get(path).status_code for path in (of_alice, of_adam)] == [200, 404]


@pytest.mark.parametrize(("decision", "status"), [({}, 404), ({"links": "revoke"}, 404), ({"links": "keep"}, 200)])
def test_whoever_removes_a_member_decides_about_their_links(
    as_alice: Client, adam: Character, row: Transcription, decision: dict[str, str], status: int
) -> None:
    path = shared_by(adam, row)
    address = f"/people/{adam.member.id}/remove/"
    assert "1 share link was made by them and works." in as_alice.get(address).content.decode()
    assert as_alice.post(address, {"keys": "revoke", **decision}).status_code == 302
    assert Client().get(path).status_code == status


def test_who_leaves_keeps_no_links_alive_that_only_managers_may_keep(
    client: Client, alice: Character, adam: Character, row: Transcription
) -> None:
    path = shared_by(adam, row)
    signed_in(client, adam).post(f"/people/{adam.member.id}/remove/", {"links": "keep"})
    assert Client().get(path).status_code == 404


def test_what_is_left_behind_is_kept_from_the_list(as_alice: Client, adam: Character, row: Transcription) -> None:
    path = shared_by(adam, row)
    adam.member.delete()
    page = as_alice.get("/shares/").content.decode()
    assert "Its maker has left" in page
    [address] = re.findall(r"/shares/[0-9a-f-]{36}/keep/", page)
    as_alice.post(address)
    assert Client().get(path).status_code == 200


def test_owners_switch_sharing_off_and_all_links_stop_at_once(
    as_alice: Client, alice: Character, row: Transcription
) -> None:
    path = shared_by(alice, row)
    as_alice.post("/preferences/access/")
    assert not Tenant.objects.get(id=alice.tenant.id).allows_sharing
    assert Client().get(path).status_code == 404
    part = as_alice.post(f"/recordings/{row.recording_id}/shares/", {}, headers=SCRIPT).content.decode()
    assert "Your organisation shares nothing by links." in part
    as_alice.post("/preferences/access/", {"allows_sharing": "on"})
    assert Client().get(path).status_code == 200


def test_operators_see_links_and_revoke_them(admin_client: Client, alice: Character, row: Transcription) -> None:
    path = shared_by(alice, row, label="For Guest")
    address = reverse("admin:shares_share_changelist")
    assert "For Guest" in admin_client.get(address).content.decode()
    with scope.bound(row.tenant_id):
        share = Share.objects.get()
    admin_client.post(address, {"action": "revoke", "_selected_action": [str(share.id)]})
    assert Client().get(path).status_code == 404


def test_revoking_all_of_one_reaches_deleted_recordings_and_former_addresses(
    as_alice: Client, alice: Character, adam: Character, row: Transcription
) -> None:
    path = shared_by(adam, row)
    User.objects.filter(id=adam.user.id).update(email="adam.smith@acme.example")
    page = as_alice.get("/shares/?maker=adam.smith@acme.example").content.decode()
    assert "Revoke all of adam.smith@acme.example" in page
    with scope.bound(row.tenant_id):
        recordings.delete(alice.actor, row.recording_id)
        as_alice.post("/shares/revoke/", {"maker": "adam.smith@acme.example"})
        recordings.restore(alice.actor, row.recording_id)
    assert Client().get(path).status_code == 404


def test_who_is_invited_again_does_not_bring_old_links_back(adam: Character, row: Transcription) -> None:
    path = shared_by(adam, row)
    adam.member.delete()
    Member.objects.create(tenant_id=row.tenant_id, user=adam.user, role=Role.EDITOR)
    assert Client().get(path).status_code == 404


def test_what_works_stands_before_what_has_ended(as_alice: Client, alice: Character, row: Transcription) -> None:
    shared_by(alice, row, label="Works still")
    ended = [
        Share(tenant_id=row.tenant_id, recording_id=row.recording_id, digest=str(at), revoked_at=timezone.now())
        for at in range(links.MOST_LIVE)
    ]
    with scope.bound(row.tenant_id):
        Share.objects.bulk_create(ended)
    assert "Works still" in as_alice.get(f"/recordings/{row.recording_id}/").content.decode()
