"""Operators announce, work on the portal while everybody reads on, and suspend an organisation in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
import time_machine
from channels.db import database_sync_to_async as in_thread
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.asgi import application
from portal.http.sessions import actor_of_session
from tenants import account_mails, directory, scope, suspensions
from tenants.models import Announcement, Maintenance, Tenant, User
from tests.conftest import Character
from tests.portal.ops.test_audit import form_of, save
from tests.portal.web.conftest import make_transcription

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
WORDS = {"text_en": "The disks are changed.", "text_zh": "正在更换磁盘。"}


@pytest.fixture
def maintenance(operator: Client) -> Maintenance:
    end = {"expected_end_0": "2026-12-01", "expected_end_1": "12:10:00"}
    with time_machine.travel(NOON, tick=False):
        assert operator.post(reverse("admin:tenants_maintenance_add"), WORDS | end).status_code == 302
    return Maintenance.objects.get()


class TestInMaintenance:
    def test_people_read_and_change_nothing(self, maintenance: Maintenance, alice: Character, client: Client) -> None:
        row = make_transcription(alice.tenant)
        client.force_login(alice.user)
        with time_machine.travel(NOON, tick=False):
            page = client.get(f"/recordings/{row.recording_id}/").content.decode()
            assert "The disks are changed." in page
            assert client.post("/recordings/many/count/").status_code == 400  # it reads
            answer = client.post(f"/recordings/{row.recording_id}/delete/")
            assert (answer.status_code, answer["Retry-After"]) == (503, "600")
            assert "you can read, but not add or change anything" in answer.content.decode()
            by_script = client.post("/recordings/", headers={"Accept": "application/json"})
            assert (by_script.status_code, by_script.json()["error"]["code"]) == (503, "maintenance")
            assert client.post("/accounts/password/change/", {}).status_code == 503
            client.cookies["django_language"] = "zh-hans"
            assert "正在更换磁盘。" in client.get("/recordings/").content.decode()

    @pytest.mark.django_db(transaction=True)
    async def test_programs_are_told_in_their_own_formats(self, alice: Character) -> None:
        """Of files before their bodies are read."""
        await in_thread(Maintenance.objects.create)(**WORDS, expected_end=NOON + timedelta(minutes=10))
        actor = await in_thread(lambda: alice.actor)()
        with scope.bound(alice.tenant.id):
            _token, secret = await in_thread(directory.make_token)(actor, "Entra")
        form, key = {"file": ("a.mp3", b"x")}, alice.bearer
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            with time_machine.travel(NOON, tick=False):
                assert (await http.get("/api/v1/recordings", headers=key)).status_code == 200
                native = await http.post("/api/v1/recordings", files=form, headers=key)
                tus = await http.post("/api/v1/uploads", headers=key | {"Tus-Resumable": "1.0.0", "Upload-Length": "5"})
                openai = await http.post("/v1/audio/transcriptions", files=form, headers=key)
                scim = await http.post("/scim/v2/Users", json={}, headers={"Authorization": f"Bearer {secret}"})
        for answer in (native, tus, openai, scim):
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "600"), answer.content
        assert (native.json()["code"], native.headers["Content-Type"]) == ("maintenance", "application/problem+json")
        assert openai.json()["error"]["code"] == "maintenance"
        assert openai.json()["error"]["type"] == "server_error"
        assert scim.json()["status"] == "503"

    def test_operators_go_on_and_end_it(
        self, maintenance: Maintenance, operator: Client, alice: Character, client: Client
    ) -> None:
        assert operator.get(reverse("admin:tenants_maintenance_add")).status_code == 403  # it goes on
        User.objects.filter(pk=alice.user.pk).update(is_staff=True)
        client.force_login(User.objects.get(pk=alice.user.pk))
        assert client.post("/tags/00000000-0000-0000-0000-000000000007/", {"name": "x"}).status_code == 404
        health = client.get("/health").json()
        assert health["maintenance"]["text"] == "The disks are changed."
        assert not any("maintenance" in problem for problem in health.get("problems", []))
        form = {"action": "end_now", "_selected_action": [maintenance.pk]}
        assert operator.post(reverse("admin:tenants_maintenance_changelist"), form).status_code == 302
        assert "maintenance" not in client.get("/health").json()
        assert client.post("/api/v1/recordings", headers=alice.bearer).status_code == 400


class TestAnnouncements:
    def test_those_chosen_see_it_until_they_dismiss_it(
        self, operator: Client, alice: Character, bob: Character, mallory: Character, client: Client
    ) -> None:
        form = {"level": "warn", "starts_at_0": "2026-01-01", "starts_at_1": "00:00:00", "tenants": [alice.tenant.pk]}
        assert operator.post(reverse("admin:tenants_announcement_add"), WORDS | form).status_code == 302
        row = Announcement.objects.get()
        client.force_login(mallory.user)
        assert "The disks are changed." not in client.get("/recordings/").content.decode()
        assert client.post(f"/announcements/{row.pk}/dismiss/").status_code == 404
        client.force_login(alice.user)
        assert "The disks are changed." in client.get("/recordings/").content.decode()
        answer = client.post(f"/announcements/{row.pk}/dismiss/", {"next": "/usage/"})
        assert answer["Location"] == "/usage/"
        assert "The disks are changed." not in client.get("/recordings/").content.decode()
        client.force_login(bob.user)
        assert "The disks are changed." in client.get("/recordings/").content.decode()
        operator.post(
            reverse("admin:tenants_announcement_changelist"), {"action": "end_now", "_selected_action": [row.pk]}
        )
        assert "The disks are changed." not in client.get("/recordings/").content.decode()


class TestSuspension:
    @pytest.mark.parametrize("changes", [True, False])
    def test_owners_are_told_and_read_until_then(
        self,
        changes: bool,
        operator: Client,
        alice: Character,
        client: Client,
        django_capture_on_commit_callbacks: object,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(account_mails, "send_soon", lambda message: message.send())
        day = timezone.now() + timedelta(days=7)
        form = form_of(alice.tenant, (alice.member, "owner"))
        form |= {"suspended_from_0": f"{day:%Y-%m-%d}", "suspended_from_1": "12:00:00"}
        if changes:
            form["changes_until_suspended"] = "on"
        with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
            save(operator, alice.tenant, form)
        [message] = mail.outbox
        assert (message.to, message.subject) == (["alice@acme.example"], "Acme will be suspended")
        assert ("Until then everything goes on." in message.body) == changes
        client.force_login(alice.user)
        assert "Acme will be suspended on" in client.get("/recordings/").content.decode()
        answer = client.post("/api/v1/recordings", headers=alice.bearer)
        assert (answer.status_code, answer.json()["code"]) == (
            (400, "malformed") if changes else (403, "suspension_announced")
        )
        assert suspensions.suspend_due() == 0
        with time_machine.travel(day + timedelta(days=1), tick=False):
            assert suspensions.suspend_due() == 1
        assert not Tenant.objects.get(pk=alice.tenant.pk).is_active
        assert actor_of_session(client.session.session_key) is None
