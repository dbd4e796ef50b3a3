"""Operators announce, work on the portal while everybody reads on, and suspend an organisation in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import time_machine
from channels.db import database_sync_to_async as in_thread
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.asgi import application
from portal.http.sessions import actor_of_session
from tenants import account_mails, directory, invitations, scope, suspensions
from tenants.invitations import Invitee
from tenants.models import Announcement, ApiKey, Maintenance, Role, Tenant, User
from tests.conftest import Character
from tests.portal.ops.test_audit import form_of, save
from tests.portal.web.conftest import act_for, make_transcription
from transcription.offboarding import deletion

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
PASSWORD = "a horse that two may ride"
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
            for address in ("password/change/", "password/reset/key/1-set-password/", "security/app/", "signup/"):
                assert client.post(f"/accounts/{address}", {}).status_code == 503, address
            with scope.bound(alice.tenant.id):
                key = ApiKey.objects.get(created_by=alice.user)
            assert client.post(f"/keys/{key.pk}/revoke/").status_code == 302  # a way in is closed at once
            assert client.post("/preferences/access/", {"bars_support": "on"}).status_code == 302
            assert client.post("/accounts/devices/sign-out/", {"session": "others"}).status_code == 302
            assert Tenant.objects.get(pk=alice.tenant.pk).bars_support
            assert client.post("/bin/").status_code == 503
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
        with pytest.raises(IntegrityError), transaction.atomic():
            Maintenance.objects.create(**WORDS)  # two have clicked at once
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

    def test_what_was_for_one_tenant_is_for_nobody_once_it_is_erased(
        self, operator: Client, alice: Character, mallory: Character, client: Client
    ) -> None:
        form = {"level": "warn", "starts_at_0": "2026-01-01", "starts_at_1": "00:00:00"}
        url = reverse("admin:tenants_announcement_add")
        assert "Choose either all tenants or some." in operator.post(url, WORDS | form).content.decode()
        assert operator.post(url, WORDS | form | {"tenants": [alice.tenant.pk]}).status_code == 302
        deletion.begin(alice.tenant, "olivia@portal.example")
        assert deletion.advance_all() == 1
        assert not Tenant.objects.filter(pk=alice.tenant.pk).exists()
        client.force_login(mallory.user)
        assert "The disks are changed." not in client.get("/recordings/").content.decode()
        change = reverse("admin:tenants_announcement_change", args=[Announcement.objects.get().pk])
        assert operator.post(change, WORDS | form | {"for_all": "on"}).status_code == 302
        assert "The disks are changed." in client.get("/recordings/").content.decode()


class TestSuspension:
    def test_ways_in_are_closed_and_recordings_deleted_until_then(
        self, alice: Character, bob: Character, client: Client
    ) -> None:
        Tenant.objects.filter(pk=alice.tenant.pk).update(suspended_from=timezone.now() + timedelta(days=60))
        row, other = make_transcription(alice.tenant), make_transcription(alice.tenant)
        with scope.bound(alice.tenant.id):
            _token, secret = directory.make_token(alice.actor, "Entra")
            key = ApiKey.objects.get(created_by=alice.user)
        client.force_login(alice.user)
        many = {"action": "tag", "name": "x", "ids": [str(other.recording_id)]}
        script: dict[str, Any] = {"content_type": "application/json"}
        assert client.post("/recordings/many/", many, **script).status_code == 403
        done = client.post("/recordings/many/", many | {"action": "delete"}, **script)
        assert done.json()["done"] == [str(other.recording_id)]
        for address in (f"recordings/{row.recording_id}/delete", "bin", f"people/{bob.member.pk}/remove"):
            assert client.post(f"/{address}/").status_code == 302, address
        scim = {"Authorization": f"Bearer {secret}"}
        assert client.get("/scim/v2/Users", headers=scim).status_code == 200
        assert client.post("/scim/v2/Users", {}, headers=scim, **script).status_code == 400  # not 403
        assert client.delete("/api/v1/recordings/" + str(row.recording_id), headers=alice.bearer).status_code == 404
        assert client.post(f"/keys/{key.pk}/revoke/").status_code == 302
        assert client.post("/preferences/access/", {"bars_support": "on"}).status_code == 302
        assert client.post("/folders/", {"name": "x"}).status_code == 403

    def test_nobody_joins_meanwhile(self, alice: Character, client: Client) -> None:
        with scope.bound(alice.tenant.id):
            [row] = invitations.invite(alice.actor, [Invitee("new@acme.example", Role.VIEWER)])
        Tenant.objects.filter(pk=alice.tenant.pk).update(suspended_from=timezone.now() + timedelta(days=60))
        client.get(urlsplit(invitations.link(row)).path)
        answer = client.post(reverse("invitation", args=[row.pk]), {"password1": PASSWORD, "password2": PASSWORD})
        assert answer.status_code == 403
        assert not User.objects.filter(email="new@acme.example").exists()

    def test_who_acts_for_a_member_changes_no_more_than_they(self, alice: Character, client: Client) -> None:
        row = make_transcription(alice.tenant)
        act_for(client, alice.member)
        Tenant.objects.filter(pk=alice.tenant.pk).update(suspended_from=timezone.now() + timedelta(days=60))
        assert client.post(f"/recordings/{row.recording_id}/favourite/").status_code == 403
        Maintenance.objects.create(**WORDS)
        assert client.post(f"/recordings/{row.recording_id}/delete/").status_code == 503

    def test_a_moment_that_has_passed_keeps_no_other_change_back(self, operator: Client, alice: Character) -> None:
        past = timezone.now().replace(microsecond=0) - timedelta(days=1)
        Tenant.objects.filter(pk=alice.tenant.pk).update(suspended_from=past, is_active=False)
        local = timezone.localtime(past)
        moment = {"suspended_from_0": f"{local:%Y-%m-%d}", "suspended_from_1": f"{local:%H:%M:%S}", "is_active": ""}
        save(operator, alice.tenant, form_of(alice.tenant, (alice.member, "owner"), name="Acme & Co", **moment))
        assert Tenant.objects.get(pk=alice.tenant.pk).name == "Acme & Co"

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
