"""Acme as it is after some years, beside Evil, and Carol who is a member of both."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from portal.tickets import service
from tenants import api_keys, notices, scope
from tenants.models import ApiKey, EnrolledVoice, KeyScope, Member, Role, Tenant, User
from tests.conftest import Character
from tests.transcription.characters import submit
from tests.transcription.finishing import finish, serve
from transcription.fetches import access
from transcription.intake.request import CallContext
from transcription.media import storage
from transcription.models import DiarizationCheckpoint, Loudness, Speaker, Transcription
from transcription.offboarding.tenant_models import rows_of, tenant_models
from transcription.options.options import TranscriptionOptions
from transcription.transcripts import editing, revisions
from transcription.uploads import creation, files
from transcription.uploads.creation import Plan
from transcription.webhooks import endpoints


@pytest.fixture(autouse=True)
def folders(settings: LazySettings, tmp_path: Path) -> None:
    settings.UPLOADS_DIR = tmp_path / "uploads"
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.0/8")]
    media = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path / "media"}}
    settings.STORAGES = {**settings.STORAGES, "default": media}


@pytest.fixture
def carol(alice: Character, mallory: Character) -> User:
    """A member of both tenants."""
    person = User.objects.create_user("carol@both.example", "correct horse")
    for tenant in (alice.tenant, mallory.tenant):
        Member.objects.create(tenant=tenant, user=person, role=Role.EDITOR)
    return person


@pytest.fixture
def lived(alice: Character, bob: Character, mallory: Character, carol: User, olivia: User, fox: Path) -> Transcription:
    """A corrected transcription of Acme's, with one of everything else in both tenants."""
    serve()
    done = {}
    for character in (mallory, alice):
        with scope.bound(character.tenant.id):
            done[character] = finish(submit(character.actor, fox, prompt="Foxes."))
    for character, row in done.items():
        with scope.bound(character.tenant.id):
            live(character, row, fox)
    Client().force_login(bob.user)
    return done[alice]


@pytest.fixture
def olivia(db: None) -> User:
    return User.objects.create_superuser("olivia@portal.example", "correct horse")


def live(character: Character, done: Transcription, fox: Path) -> None:
    actor, tenant = character.actor, character.tenant
    tag = revisions.list_tag(editing.transcript(actor, done.id))
    editing.edit(actor, done.id, 0, {tag}, text="The quick fox.")
    Speaker.numbered(done, 0, "Dr. Fox").save()
    Loudness.objects.create(tenant=tenant, recording=done.recording, blocks=b"loud")
    EnrolledVoice.objects.create(tenant=tenant, member=character.member, name="Fox", sealed=b"a voice", version="1")
    DiarizationCheckpoint.objects.create(tenant=tenant, transcription=done, number=0, data=b"a voice")
    submit(actor, fox, temperature=0.5)
    opened = creation.open_on_disk(actor, Plan("half.wav", 1000))
    slot = files.LockedFile(opened.id, 1000)
    slot.write(b"x" * 400)
    slot.close()
    access.create(
        actor,
        "https://files.example/a.mp3?key=of-somebody",
        "",
        TranscriptionOptions.checked(),
        CallContext("/", "once"),
    )
    endpoints.create(actor, "https://127.0.0.1:8443/in")
    notices.note_refusal(tenant, "stored_bytes")
    key, secret = api_keys.issue(tenant, "Robot", character.user, KeyScope.ADMIN)
    given = api_keys.authenticate(secret)
    assert given
    service.issue(given)
    told(tenant, key)
    Client().force_login(character.user)


def told(tenant: Tenant, key: ApiKey) -> None:
    """In Django's log of what operators did."""
    operator = User.objects.get(email="olivia@portal.example")
    for row in (tenant, key):
        kind = ContentType.objects.get_for_model(row)
        LogEntry.objects.create(
            user=operator, content_type=kind, object_id=str(row.pk), object_repr=str(row), action_flag=CHANGE
        )


@pytest.fixture
def everything_of() -> Callable[[Tenant], dict[str, Any]]:
    """Every row of a tenant, field by field, and the names and bytes of its files."""

    def look(tenant: Tenant) -> dict[str, Any]:
        found: dict[str, Any] = {
            model._meta.label_lower: list(rows_of(model, tenant.id).order_by("pk").values())
            for model in tenant_models()
        }
        folder = Path(storage.local_path(f"tenants/{tenant.id}"))
        found["media"] = {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        with scope.bound(tenant.id):
            found["uploads"] = {row["id"]: files.size(row["id"]) for row in found["uploads.upload"]}
        return {name: rows for name, rows in found.items() if rows}

    return look
