"""Who may see and do what on the pages. A new page is a new line."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from portal.web import urls
from tenants import scope
from tenants.models import Role, Tenant
from tests.conftest import Character, create_member
from tests.portal.web.conftest import Make, act_for
from tests.portal.web.things import NAMES, Things
from transcription.media import storage
from transcription.models import Recording, Transcription

EVERYBODY = {Role.OWNER: 200, Role.ADMIN: 200, Role.EDITOR: 200, Role.VIEWER: 200}
MANAGERS = {Role.OWNER: 200, Role.ADMIN: 200, Role.EDITOR: 403, Role.VIEWER: 403}
EDITORS = {Role.OWNER: 200, Role.ADMIN: 200, Role.EDITOR: 200, Role.VIEWER: 403}
# Success is 302 where the page answers with a redirect, 400 where the body was left out on purpose.
EDITORS_302 = {Role.OWNER: 302, Role.ADMIN: 302, Role.EDITOR: 302, Role.VIEWER: 403}
EVERYBODY_302 = {Role.OWNER: 302, Role.ADMIN: 302, Role.EDITOR: 302, Role.VIEWER: 302}
EVERYBODY_400 = {Role.OWNER: 400, Role.ADMIN: 400, Role.EDITOR: 400, Role.VIEWER: 400}
EDITORS_400 = {Role.OWNER: 400, Role.ADMIN: 400, Role.EDITOR: 400, Role.VIEWER: 403}
EDITORS_409 = {Role.OWNER: 409, Role.ADMIN: 409, Role.EDITOR: 409, Role.VIEWER: 403}  # it is English
EDITORS_412 = {Role.OWNER: 412, Role.ADMIN: 412, Role.EDITOR: 412, Role.VIEWER: 403}
MANAGERS_302 = {Role.OWNER: 302, Role.ADMIN: 302, Role.EDITOR: 403, Role.VIEWER: 403}
OWNERS = {Role.OWNER: 200, Role.ADMIN: 403, Role.EDITOR: 403, Role.VIEWER: 403}
NOBODY = {Role.OWNER: 403, Role.ADMIN: 403, Role.EDITOR: 403, Role.VIEWER: 403}  # before an owner allows it
OWNERS_302 = {Role.OWNER: 302, Role.ADMIN: 403, Role.EDITOR: 403, Role.VIEWER: 403}

TABLE = [
    ("GET", "/recordings/", EVERYBODY),
    ("GET", "/recordings/rows/", EVERYBODY),
    ("POST", "/recordings/", EDITORS_400),
    ("POST", "/recordings/many/", EDITORS_400),
    ("POST", "/recordings/many/count/", EVERYBODY_400),
    ("POST", "/recordings/many/transcripts.zip", EVERYBODY_400),
    ("GET", "/recordings/substitutions/", EDITORS),
    ("POST", "/recordings/substitutions/hits/", EDITORS_400),
    ("POST", "/recordings/substitutions/replace/", EDITORS_400),
    ("POST", "/series/{series}/undo/", EDITORS),
    ("GET", "/recordings/{recording}/", EVERYBODY),
    ("GET", "/recordings/{recording}/menu/", EVERYBODY),
    ("POST", "/recordings/{recording}/delete/", EDITORS_302),
    ("POST", "/recordings/{recording}/again/", EDITORS_302),
    ("GET", "/recordings/{recording}/comments/", EVERYBODY),
    ("POST", "/recordings/{recording}/comments/", EVERYBODY_400),
    ("POST", "/recordings/{recording}/comments/{comment}/", EVERYBODY_400),
    ("GET", "/recordings/{recording}/receipt.json", MANAGERS),
    ("POST", "/recordings/{recording}/hold/", MANAGERS_302),
    ("GET", "/bin/", EDITORS),
    ("POST", "/bin/", EDITORS_302),
    ("GET", "/transcriptions/{transcription}/download.srt", EVERYBODY),
    ("POST", "/transcriptions/{transcription}/cancel/", EDITORS_302),
    ("POST", "/transcriptions/{transcription}/retry/", EDITORS_302),
    ("POST", "/transcriptions/{transcription}/track/", EDITORS_302),
    ("GET", "/transcriptions/{transcription}/segments/0/", EVERYBODY),
    ("POST", "/transcriptions/{transcription}/segments/0/", EDITORS_400),
    ("GET", "/transcriptions/{transcription}/walk/", EDITORS),
    ("POST", "/transcriptions/{transcription}/walk/", EDITORS_400),
    ("POST", "/transcriptions/{transcription}/segments/0/split/", EDITORS_400),
    ("POST", "/transcriptions/{transcription}/hits/", EDITORS_400),
    ("POST", "/transcriptions/{transcription}/substitute/", EDITORS_400),
    ("POST", "/transcriptions/{transcription}/segments/shift/", EDITORS_400),
    ("POST", "/transcriptions/{transcription}/segments/0/times/", EDITORS_400),
    ("POST", "/transcriptions/{transcription}/segments/0/merge/", EDITORS_412),
    ("POST", "/transcriptions/{transcription}/segments/0/remove/", EDITORS_412),
    ("POST", "/transcriptions/{transcription}/rehearings/", EDITORS_400),
    ("GET", "/transcriptions/{transcription}/rehearings/{rehearing}/", EDITORS),
    ("POST", "/transcriptions/{transcription}/rehearings/{rehearing}/", EDITORS_412),
    ("GET", "/transcriptions/{transcription}/lines/", EVERYBODY),
    ("GET", "/transcriptions/{transcription}/beside/", EVERYBODY),
    ("GET", "/transcriptions/{transcription}/cues/", EVERYBODY),
    ("GET", "/transcriptions/{transcription}/videos/", EVERYBODY),
    ("POST", "/transcriptions/{transcription}/videos/", EDITORS_400),
    ("GET", "/videos/{video}/file", EVERYBODY),
    ("POST", "/videos/{video}/delete/", EDITORS),
    ("POST", "/transcriptions/{transcription}/beside/", EDITORS_409),
    ("GET", "/transcriptions/{transcription}/beside/{other}/", EVERYBODY),
    ("POST", "/transcriptions/{transcription}/strikes/", EDITORS_400),
    ("GET", "/transcriptions/{transcription}/speakers/", EVERYBODY),
    ("POST", "/transcriptions/{transcription}/speakers/", EDITORS_400),
    ("GET", "/transcriptions/{transcription}/history/", EVERYBODY),
    ("POST", "/transcriptions/{transcription}/revert/", EDITORS_302),
    ("POST", "/recordings/{recording}/favourite/", EVERYBODY_302),
    ("POST", "/recordings/{recording}/tags/", EDITORS_302),
    ("POST", "/recordings/{recording}/tags/{tag}/remove/", EDITORS_302),
    ("POST", "/recordings/{recording}/shares/", EDITORS),
    ("GET", "/shares/", MANAGERS),
    ("POST", "/shares/revoke/", MANAGERS_302),
    ("GET", "/shares/{share}/", EDITORS),
    ("POST", "/shares/{share}/revoke/", EDITORS_302),
    ("POST", "/shares/{share}/comments/delete/", MANAGERS_302),
    ("POST", "/shares/{share}/keep/", MANAGERS_302),
    ("POST", "/transcriptions/{transcription}/choose/", EDITORS_302),
    ("POST", "/recordings/{recording}/name/", EDITORS_302),
    ("POST", "/recordings/{recording}/folder/", EDITORS_302),
    ("GET", "/folders/", EVERYBODY),
    ("POST", "/folders/", EDITORS_302),
    ("GET", "/folders/names.json", EVERYBODY),
    ("GET", "/folders/{folder}/", EVERYBODY),
    ("POST", "/folders/{folder}/", MANAGERS_302),
    ("POST", "/folders/{folder}/delete/", MANAGERS_302),
    ("GET", "/folders/{folder}/terms/", EVERYBODY),
    ("POST", "/folders/{folder}/terms/", EDITORS),
    ("GET", "/folders/{folder}/terms/terms.csv", EVERYBODY),
    ("POST", "/folders/{folder}/terms/import/", EDITORS),
    ("POST", "/folders/{folder}/members/", MANAGERS_302),
    ("POST", "/folders/{folder}/members/{member}/remove/", MANAGERS_302),
    ("GET", "/folders/{folder}/retention/", MANAGERS),
    ("POST", "/folders/{folder}/retention/", MANAGERS_302),
    ("GET", "/tags/{tag}/retention/", MANAGERS),
    ("POST", "/tags/{tag}/retention/", MANAGERS_302),
    ("GET", "/views/", EVERYBODY),
    ("POST", "/views/", EVERYBODY_302),
    ("POST", "/views/{view}/", MANAGERS_302),
    ("POST", "/views/{view}/delete/", MANAGERS_302),
    ("GET", "/tags/", EVERYBODY),
    ("POST", "/tags/{tag}/", EDITORS_302),
    ("POST", "/tags/{tag}/merge/", EDITORS_302),
    ("POST", "/tags/{tag}/delete/", EDITORS_302),
    ("GET", "/usage/", EVERYBODY),
    ("GET", "/usage/ledger.csv", EVERYBODY),
    ("POST", "/notices/{notice}/dismiss/", MANAGERS_302),
    ("GET", "/keys/", MANAGERS),
    ("POST", "/keys/", MANAGERS),
    ("GET", "/people/", EVERYBODY),
    ("POST", "/people/", MANAGERS),
    ("POST", "/people/many/", MANAGERS),
    ("GET", "/people/sign-in/", OWNERS_302),
    ("POST", "/people/sign-in/", OWNERS_302),
    ("GET", "/people/directory/", OWNERS_302),
    ("POST", "/people/directory/", OWNERS_302),
    ("POST", "/people/directory/{token}/revoke/", OWNERS_302),
    ("POST", "/people/sign-in/test/", OWNERS_302),
    ("POST", "/people/sign-in/remove/", OWNERS_302),
    ("POST", "/people/second-factor/", OWNERS_302),
    ("POST", "/people/voices/", OWNERS_302),
    ("GET", "/voice/", EVERYBODY),
    ("POST", "/voice/", NOBODY),
    ("POST", "/voice/check/", NOBODY),
    ("POST", "/voice/revoke/", EVERYBODY_302),
    ("POST", "/people/{member}/second-factor/reset/", OWNERS_302),
    ("POST", "/people/{member}/role/", MANAGERS_302),
    ("POST", "/people/{member}/owner/", OWNERS_302),
    ("GET", "/people/{member}/remove/", MANAGERS),
    ("POST", "/people/{member}/remove/", MANAGERS_302),
    ("POST", "/invitations/{invitation}/again/", MANAGERS_302),
    ("POST", "/invitations/{invitation}/revoke/", MANAGERS_302),
    ("GET", "/terms/", EVERYBODY),
    ("POST", "/terms/", EDITORS),
    ("GET", "/terms/terms.csv", EVERYBODY),
    ("POST", "/terms/import/", EDITORS),
    ("GET", "/terms/{term}/", EDITORS),
    ("POST", "/terms/{term}/", EDITORS),
    ("POST", "/terms/{term}/delete/", EDITORS_302),
    ("GET", "/rules/", MANAGERS),
    ("POST", "/rules/", MANAGERS),
    ("GET", "/rules/new/", MANAGERS),
    ("POST", "/rules/preview/", MANAGERS),
    ("GET", "/rules/places/", MANAGERS),
    ("POST", "/rules/places/", MANAGERS),
    ("GET", "/rules/places/{place}/", MANAGERS),
    ("POST", "/rules/places/{place}/", MANAGERS),
    ("POST", "/rules/places/{place}/test/", MANAGERS_302),
    ("POST", "/rules/places/{place}/delete/", MANAGERS_302),
    ("POST", "/rules/places/{place}/deliveries/{export}/again/", MANAGERS_302),
    ("GET", "/rules/{rule}/", MANAGERS),
    ("POST", "/rules/{rule}/", MANAGERS),
    ("POST", "/rules/{rule}/move/", MANAGERS_302),
    ("POST", "/rules/{rule}/switch/", MANAGERS_302),
    ("POST", "/rules/{rule}/delete/", MANAGERS_302),
    ("GET", "/webhooks/", MANAGERS),
    ("POST", "/webhooks/", MANAGERS),
    ("GET", "/webhooks/{endpoint}/", MANAGERS),
    ("POST", "/webhooks/{endpoint}/", MANAGERS),
    ("POST", "/webhooks/{endpoint}/pause/", MANAGERS_302),
    ("POST", "/webhooks/{endpoint}/resume/", MANAGERS_302),
    ("POST", "/webhooks/{endpoint}/rotate/", MANAGERS),
    ("POST", "/webhooks/{endpoint}/test/", MANAGERS_302),
    ("POST", "/webhooks/{endpoint}/delete/", MANAGERS_302),
    ("POST", "/webhooks/{endpoint}/deliveries/{delivery}/replay/", MANAGERS_302),
    ("GET", "/preferences/", MANAGERS),
    ("POST", "/preferences/", MANAGERS),
    ("POST", "/preferences/access/", MANAGERS_302),
    ("POST", "/preferences/addresses/", OWNERS_302),
    ("GET", "/keys/{key}/", MANAGERS),
    ("POST", "/keys/{key}/", MANAGERS),
    ("POST", "/keys/{key}/rotate/", MANAGERS_302),
    ("POST", "/keys/{key}/end-old-secret/", MANAGERS_302),
    ("POST", "/keys/{key}/keep/", MANAGERS_302),
    ("POST", "/keys/{key}/revoke/", MANAGERS_302),
    ("GET", "/audit/", MANAGERS),
    ("GET", "/audit/audit.csv", MANAGERS),
    ("GET", "/api/examples/", EVERYBODY),
]
# What an operator who acts for an owner is refused; the rest is as for the owner.
NOT_FOR_SUPPORT = re.compile(
    r"POST /recordings/{recording}/(comments/.*|hold/|shares/)|.* /(shares|keys|webhooks|invitations|rules)/.*"
    r"|POST /((people|voice|preferences/(access|addresses))/.*|bin/|folders/{folder}/members/.*"
    r"|[^{]*{[^}]*}/retention/)"
    r"|GET /people/.+"
)
# Pages with a test of their own, since a bare row is not enough to ask them for.
ELSEWHERE = {
    "/": "test_tenant.py",
    "/tenant/": "test_tenant.py",
    "/support/end/": "test_support.py",
    "/announcements/{announcement}/dismiss/": "tests/portal/ops/test_maintenance.py",
    "/language/": "nobody's data",
    "/receipts/": "nobody's data; test_receipts.py",
    "/bin/{recording}/erase/": "test_bin.py",
    "/api/docs/": "nobody's data; test_openapi.py",
    "/api/reference/": "nobody's data; test_openapi.py",
    "/recordings/{recording}/media": "test_story.py; strangers: test_media_has_the_same_door",
    "/recordings/{recording}/peaks.json": "test_story.py; strangers: test_media_has_the_same_door",
    "/recordings/{recording}/restore/": "test_library.py; strangers: test_media_has_the_same_door",
}
TOLD_APART = [(method, url) for method, url, _roles in TABLE if "/revoke/" not in url or "{share}" in url]
CASES = [(method, url, role, status) for method, url, roles in TABLE for role, status in roles.items()]


def address_of(url: str, row: Transcription) -> str:
    """Returns the address of a page; of one that names nothing, and so may list anything, all are made."""
    things = Things(row)
    with scope.bound(row.tenant_id):
        if "{" not in url:
            for name in NAMES:
                assert things[name]
        return url.format_map(things)


def test_every_page_is_in_the_table() -> None:
    names = {"recording_id": "{recording}", "transcription_id": "{transcription}"}
    names |= {"rule_id": "{rule}", "place_id": "{place}", "export_id": "{export}"}
    names |= {
        "key_id": "{key}",
        "notice_id": "{notice}",
        "announcement_id": "{announcement}",
        "endpoint_id": "{endpoint}",
        "delivery_id": "{delivery}",
    }
    names |= {"index": "0", "member_id": "{member}", "invitation_id": "{invitation}", "term_id": "{term}"}
    names |= {"rehearing_id": "{rehearing}", "other_id": "{other}", "video_id": "{video}"}
    names |= {"token_id": "{token}", "announcement_id": "{announcement}"}
    names |= {
        "series_id": "{series}",
        "tag_id": "{tag}",
        "view_id": "{view}",
        "folder_id": "{folder}",
        "share_id": "{share}",
        "comment_id": "{comment}",
    }
    pages = {
        re.sub(r"<\w+:(\w+)>", lambda found: names.get(found[1], "srt"), f"/{pattern.pattern}")
        for pattern in urls.urlpatterns
    }
    assert pages == {url for _method, url, _roles in TABLE} | set(ELSEWHERE)


@pytest.mark.parametrize(
    ("method", "page"), [("GET", "media"), ("HEAD", "media"), ("GET", "peaks.json"), ("POST", "restore/")]
)
def test_media_has_the_same_door(
    method: str, page: str, acme: Tenant, mallory: Character, make: Make, client: Client
) -> None:
    row, key = make(acme), str(uuid4())
    with scope.bound(acme.id):
        deleted_at = timezone.now() if page == "restore/" else None
        Recording.objects.update(storage_key=key, peaks=[1, 2, 3], deleted_at=deleted_at)
    sound = storage.local_path(key)
    sound.parent.mkdir(parents=True, exist_ok=True)
    sound.write_bytes(b"sound")
    address = f"/recordings/{row.recording_id}/{page}"
    client.force_login(mallory.user)
    assert client.generic(method, address).status_code == 404
    client.force_login(create_member(acme, "somebody@acme.example", Role.OWNER).user)
    assert client.generic(method, address).status_code in (200, 302)


@pytest.mark.parametrize(("method", "url", "role", "status"), CASES)
def test_each_role_may_do_what_the_table_says(
    method: str, url: str, role: str, status: int, acme: Tenant, make: Make, client: Client
) -> None:
    row = make(acme)
    client.force_login(create_member(acme, "somebody@acme.example", role).user)
    assert client.generic(method, address_of(url, row)).status_code == status


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
def test_an_operator_who_acts_for_an_owner_leaves_alone_what_is_theirs(
    acme: Tenant, alice: Character, make: Make, client: Client
) -> None:
    act_for(client, alice.member)
    for method, url, roles in TABLE:
        expected = 403 if NOT_FOR_SUPPORT.fullmatch(f"{method} {url}") else roles[Role.OWNER]
        answer = client.generic(method, address_of(url, make(acme)))
        assert answer.status_code == expected, f"{method} {url}"


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize(
    ("method", "url"), [(method, url) for method, url, _roles in TABLE if "/revoke/" not in url or "{share}" in url]
)
def test_a_stranger_gets_the_answer_for_nothing(
    method: str, url: str, acme: Tenant, mallory: Character, make: Make, client: Client
) -> None:
    row = make(acme, name="Acme's secret plan.mp3")
    client.force_login(mallory.user)
    answer = client.generic(method, address_of(url, row))
    assert answer.status_code == 404 if "{" in url else b"secret plan" not in b"".join(answer)


@pytest.mark.parametrize(("method", "url"), [(method, url) for method, url, _roles in TABLE])
def test_nobody_signs_in_first(method: str, url: str, acme: Tenant, make: Make, client: Client) -> None:
    row = make(acme)
    answer = client.generic(method, address_of(url, row))
    assert (answer.status_code, answer.headers["Location"].split("?")[0]) == (302, "/accounts/login/")
