"""The banner that tells managers of a limit, and its button."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tenants import notices, scope
from tenants.models import Quota, Tenant
from tests.conftest import Character, create_member, create_tenant
from tests.portal.web.test_markup import Page
from tests.tenants.test_notices import use
from tests.transcription.characters import submit
from transcription.errors import Refused

pytestmark = pytest.mark.django_db
PAGES = ("/recordings/", "/usage/", "/keys/", "/accounts/password/change/")


@pytest.fixture
def almost(acme: Tenant) -> Tenant:
    """Acme has used 90 of its 100 seconds, and all of its 1000 bytes."""
    use(acme, seconds=90, size=1000)
    notices.raise_due()
    return acme


def banner(client: Client, page: str = "/recordings/") -> str:
    text = client.get(page).content.decode()
    begin = text.find('<section class="notices" aria-label="Notices">')
    return text[begin : text.find("page-head", begin)] if begin >= 0 else ""


def test_managers_see_it_on_every_page_with_its_figures(almost: Tenant, as_alice: Client) -> None:
    for page in PAGES:
        text = banner(as_alice, page)
        assert "1 min of 1 min are used, or held for work under way (90 %)." in text
        assert "The limit of storage is reached" in text
        assert "notice--bad" in text
        assert "notice--warn" in text
        assert Page(text).faults == []


def test_a_page_reads_the_quota_once_for_its_own_figures_and_for_the_banner(almost: Tenant, as_alice: Client) -> None:
    for page in PAGES[:2]:
        with CaptureQueriesContext(connection) as captured:
            assert banner(as_alice, page)
        assert sum('FROM "tenants_quota"' in query["sql"] for query in captured) == 1


def test_an_admin_does_and_an_editor_and_a_viewer_do_not(almost: Tenant, as_alice: Client, as_bob: Client) -> None:
    client = Client()
    client.force_login(create_member(almost, "adam@acme.example", "admin").user)
    assert banner(client)
    client.force_login(create_member(almost, "edna@acme.example", "editor").user)
    assert not banner(client)
    assert not banner(as_bob)


def test_the_button_hides_it_for_all_managers_and_goes_back_to_the_page(almost: Tenant, as_alice: Client) -> None:
    first, second = (told.notice.id for told in notices.current(almost))
    answer = as_alice.post(f"/notices/{first}/dismiss/", {"next": "/keys/?page=2"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/keys/?page=2")
    assert f"/notices/{first}/" not in banner(as_alice)
    assert f"/notices/{second}/dismiss/" in banner(as_alice)
    assert as_alice.post(f"/notices/{first}/dismiss/").status_code == 302, "twice does no harm"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "web:keys", "nowhere", ""])
def test_it_goes_nowhere_else(elsewhere: str, almost: Tenant, as_alice: Client) -> None:
    first = notices.current(almost)[0].notice.id
    answer = as_alice.post(f"/notices/{first}/dismiss/", {"next": elsewhere})
    assert answer.headers["Location"] == "/usage/"


def test_a_refused_recording_is_told_at_once(as_alice: Client, alice: Character, fox: Path) -> None:
    use(alice.tenant, seconds=100, size=1000)
    with scope.bound(alice.tenant.id), pytest.raises(Refused):
        submit(alice.actor, fox)
    assert "This month’s limit of audio minutes is reached" in banner(as_alice)
    Quota.objects.filter(tenant=alice.tenant).update(monthly_seconds=1000)
    with scope.bound(alice.tenant.id), pytest.raises(Refused):
        submit(alice.actor, fox)
    assert "The limit of storage is reached" in banner(as_alice)


def test_strangers_and_unknown_ones(almost: Tenant, as_alice: Client, mallory: Character) -> None:
    stranger = Client()
    stranger.force_login(mallory.user)
    first = notices.current(almost)[0].notice.id
    assert stranger.post(f"/notices/{first}/dismiss/").status_code == 404
    assert as_alice.post(f"/notices/{10**30}/dismiss/").status_code == 404
    assert as_alice.get(f"/notices/{first}/dismiss/").status_code == 405
    assert len(notices.current(almost)) == 2


def test_a_hostile_name_stays_text(as_alice: Client, alice: Character) -> None:
    Tenant.objects.filter(id=alice.tenant.id).update(name="<script>alert(1)</script>")
    use(alice.tenant, seconds=100)
    notices.raise_due()
    assert "<script>alert" not in as_alice.get("/usage/").content.decode()


def test_where_nothing_is_short_it_costs_managers_one_query_and_others_none(
    as_alice: Client, as_bob: Client, alice: Character
) -> None:
    create_tenant("Other")

    def asked(client: Client) -> int:
        with CaptureQueriesContext(connection) as seen:
            client.get("/keys/" if client is as_alice else "/recordings/")
        return sum("tenants_notice" in query["sql"] for query in seen)

    assert (asked(as_alice), asked(as_bob)) == (1, 0)
