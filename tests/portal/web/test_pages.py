"""A page writes into the organisation that it was drawn for, or nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse

from portal.web.urls import urlpatterns
from tenants import scope
from tenants.models import Member, Role, Tenant
from tests.conftest import Character, create_tenant
from tests.portal.web.conftest import Make
from transcription.models import Recording

ROOT = Path(__file__).resolve().parents[3]
READING = {
    *(
        "home",
        "rows",
        "row_menu",
        "recording",
        "substitutions",
        "media",
        "peaks",
        "download",
        "history",
        "audit",
        "audit_csv",
        "terms_csv",
        "folder_terms_csv",
        "usage",
        "ledger",
        "receipt",
        "receipts",
    ),
    *(
        "swagger",
        "redoc",
        "examples",
        "lines",
        "tags",
        "folder_names",
        "new_rule",
        "shares",
        "share_link",
        "beside",
        "cues",
        "video",
    ),
}
OF_THE_PERSON = {"tenant", "set_language", "end_support"}
ARGUMENTS = {"index": 0, "format": "txt", "notice_id": 1, "announcement_id": 1, "member_id": 7}


@pytest.fixture
def second(alice: Character) -> Tenant:
    """Alice is in a second organisation, too."""
    second = create_tenant("Second")
    Member.objects.create(tenant=second, user=alice.user, role=Role.OWNER)
    return second


def switch(client: Client, tenant: Tenant) -> None:
    assert client.post("/tenant/", {"tenant": str(tenant.id)}).status_code == 302


def writing_routes() -> Iterator[tuple[str, str]]:
    """Name and address of each route of the pages that is not known to read only."""
    for one in urlpatterns:
        name = str(one.name)
        if name not in READING | OF_THE_PERSON:
            converters = one.pattern.converters
            arguments = {key: ARGUMENTS.get(key, UUID(int=7)) for key in converters}
            yield name, reverse(f"web:{name}", kwargs=arguments)


def test_reading_routes_take_no_post(as_alice: Client, alice: Character) -> None:
    for one in urlpatterns:
        if one.name in READING:
            arguments = {key: ARGUMENTS.get(key, UUID(int=7)) for key in one.pattern.converters}
            assert as_alice.post(reverse(f"web:{one.name}", kwargs=arguments)).status_code == 405, one.name


@pytest.mark.parametrize(("name", "address"), list(writing_routes()))
def test_every_route_that_writes_refuses_a_page_of_another_organisation(
    name: str, address: str, as_alice: Client, alice: Character, second: Tenant
) -> None:
    switch(as_alice, second)
    for by in ({"page_tenant": str(alice.tenant.id)}, {}):
        answer = as_alice.post(address, by)
        assert answer.status_code == 409, (name, by)
    answer = as_alice.post(address, headers={"X-Page-Tenant": str(alice.tenant.id), "Accept": "application/json"})
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "other_tenant"
    assert as_alice.post(address, {"page_tenant": str(second.id)}).status_code != 409, name


def test_the_refusal_says_whose_page_it_is_and_the_way_on(as_alice: Client, alice: Character, second: Tenant) -> None:
    switch(as_alice, second)
    answer = as_alice.post("/keys/", {"name": "Robot", "page_tenant": str(alice.tenant.id)})
    page = answer.content.decode()
    assert "This page belongs to Acme, but you work in Second now. Switch to Acme, then try again." in page
    assert f'name="tenant" value="{alice.tenant.id}"' in page
    assert "Go on in Second" in page
    switch(as_alice, alice.tenant)
    assert as_alice.post("/keys/", {"name": "Robot", "page_tenant": str(alice.tenant.id)}).status_code != 409


def test_of_an_organisation_that_is_none_of_hers_nothing_is_said(as_alice: Client, mallory: Character) -> None:
    for tenant_id in (mallory.tenant.id, uuid4(), "x\x00y"):
        answer = as_alice.post("/keys/", {"name": "Robot", "page_tenant": str(tenant_id)})
        assert answer.status_code == 409
        assert "Evil" not in answer.content.decode()
        assert "Reload the page" in answer.content.decode()


def test_a_script_of_one_organisation_s_page_reads_nothing_of_the_other(
    as_alice: Client, alice: Character, second: Tenant, make: Make
) -> None:
    make(second, "second.mp3")
    switch(as_alice, second)
    answer = as_alice.get("/recordings/rows/", headers={"X-Page-Tenant": str(alice.tenant.id)})
    assert answer.status_code == 409
    assert "second.mp3" not in answer.content.decode()


def test_resumable_uploads_go_nowhere_else(as_alice: Client, alice: Character, second: Tenant) -> None:
    switch(as_alice, second)
    creating = {"Tus-Resumable": "1.0.0", "Upload-Length": "5", "Upload-Metadata": "filename YS5tcDM="}
    for page in ({"X-Page-Tenant": str(alice.tenant.id)}, {}):
        answer = as_alice.post("/api/v1/uploads", headers={**creating, **page})
        assert (answer.status_code, answer.json()["code"]) == (409, "other_tenant")
    with scope.across_tenants("this test"):
        assert not Recording.objects.exists()


def test_who_is_signed_out_is_told_so_or_led_to_the_door(client: Client, alice: Character) -> None:
    answer = client.post("/keys/", {"name": "Robot"})
    assert answer["Location"] == "/accounts/login/?next=/keys/"
    answer = client.post("/keys/", headers={"X-Requested-With": "XMLHttpRequest"})
    assert answer.status_code == 401
    assert answer.json()["error"]["message"].startswith("You are signed out. Sign in on another tab")


class Forms(HTMLParser):
    """The names of the fields in each form that writes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[set[str]] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.inside = (given.get("method") or "").lower() == "post"
            self.found += [set()] if self.inside else []
        elif self.inside and given.get("name"):
            self.found[-1].add(str(given["name"]))

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "form"


def test_every_form_of_every_page_carries_its_organisation(as_alice: Client, alice: Character, make: Make) -> None:
    recording = make(alice.tenant).recording_id
    for address in ("/recordings/", f"/recordings/{recording}/", "/keys/", "/webhooks/", "/preferences/", "/usage/"):
        forms = Forms(as_alice.get(address).content.decode()).found
        assert forms, address
        assert all({"page_tenant", "csrfmiddlewaretoken"} <= names for names in forms), address


def test_no_form_and_no_script_goes_past_the_one_place() -> None:
    for path in (ROOT / "templates" / "web").glob("*.html"):
        text = path.read_text()
        assert len(re.findall('method="post"', text)) == text.count("{% form_fields %}"), path.name
    asking = r"\bfetch\(|new WebSocket\(|new XMLHttpRequest\(|tus\.Upload\("
    users = {path.name for path in (ROOT / "static" / "js").glob("*.js") if re.search(asking, path.read_text())}
    meant = {"page.js", "socket.js", "livetext.js", "uploads.js", "resumable.js", "ops.js"}
    assert users == meant, "ops.js reads in the admin"
    for name in users - {"page.js", "ops.js"}:
        assert 'from "./page.js"' in (ROOT / "static" / "js" / name).read_text()
