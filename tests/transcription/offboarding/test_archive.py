"""An archive has everything of a tenant, nothing secret and nothing of others."""

from __future__ import annotations

import hashlib
import io
import json
import tracemalloc
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tenants import scope
from tenants.models import ApiKey, Tenant
from tests.conftest import Character
from transcription.media import storage
from transcription.models import Recording, Transcription
from transcription.offboarding import archive
from transcription.offboarding.tenant_models import tenant_models

pytestmark = pytest.mark.django_db


def opened(tenant: Tenant) -> zipfile.ZipFile:
    with scope.bound(tenant.id):
        return zipfile.ZipFile(io.BytesIO(b"".join(archive.stream(tenant, "https://portal.example"))))


def rows(found: zipfile.ZipFile, name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in found.read(f"rows/{name}.jsonl").splitlines()]


def test_everything_of_a_tenant_is_in_it(alice: Character, lived: Transcription, fox: Path) -> None:
    found = opened(alice.tenant)
    assert found.testzip() is None
    [sound, *_] = [name for name in found.namelist() if name.endswith("original.wav")]
    assert found.read(sound) == fox.read_bytes()
    [text] = [name for name in found.namelist() if name.endswith(f"{lived.id}.txt")]
    assert found.read(text) == b"The quick fox.\n"
    heard = json.loads(found.read(text.replace(".txt", ".json")))
    assert heard["segments"][0]["text"].strip() == "The quick fox."
    assert rows(found, "transcription.machinetext")[0]["text"] == "The fox."
    assert rows(found, "transcription.revision")[0]["made_by_email"] == "alice@acme.example"
    assert {row["user_email"] for row in rows(found, "tenants.member")} == {
        *("alice@acme.example", "bob@acme.example", "carol@both.example"),
    }
    assert {row["name"] for row in rows(found, "tenants.apikey")} >= {"Robot", "Key of alice@acme.example"}
    assert rows(found, "webhooks.endpoint")[0]["url"] == "https://127.0.0.1:8443/in"
    assert rows(found, "tenants.ledgerentry")[0]["seconds"] == 3
    assert rows(found, "tenants.usagemonth")
    assert {"recording.created", "transcript.corrected"} <= {row["action"] for row in rows(found, "tenants.auditentry")}
    assert json.loads(found.read("tenant.json"))["quota"]["concurrent"]


def test_every_kind_of_row_is_in_it_or_left_out_for_a_reason(alice: Character, lived: Transcription) -> None:
    names = opened(alice.tenant).namelist()
    for model in tenant_models():
        label = model._meta.label_lower
        assert (f"rows/{label}.jsonl" in names) != (label in archive.LEFT_OUT), label


def test_nothing_secret_and_nothing_of_others_is_in_it(
    alice: Character, mallory: Character, lived: Transcription
) -> None:
    found = opened(alice.tenant)
    content = b"".join(found.read(name) for name in found.namelist())
    with scope.bound(alice.tenant.id):
        digests = list(ApiKey.objects.values_list("digest", flat=True))
    for word in (*digests, alice.secret, "of-somebody", str(mallory.tenant.id), "mallory", alice.user.password):
        assert word.encode() not in content, word


def test_its_sums_are_right(alice: Character, lived: Transcription) -> None:
    found = opened(alice.tenant)
    lines = [line.split("  ", 1) for line in found.read("SHA256SUMS").decode().splitlines()]
    sums = {name: digest for digest, name in lines}
    assert sums.keys() == set(found.namelist()) - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256(found.read(name)).hexdigest() == digest


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..\\..\\a.exe.mp3", "/root/x", "a\u202eb\n.wav", "会议.m4a", ".", ""]
)
def test_names_of_strangers_lead_nowhere(alice: Character, lived: Transcription, name: str) -> None:
    with scope.bound(alice.tenant.id):
        Recording.objects.update(name=name)
    names = opened(alice.tenant).namelist()
    assert len(names) == len(set(names))
    for one in names:
        assert not PurePosixPath(one).is_absolute()
        assert ".." not in PurePosixPath(one).parts
        assert "\\" not in one
        assert one.isprintable()


def test_media_that_the_storage_lost_is_no_reason_to_have_no_archive(alice: Character, lived: Transcription) -> None:
    storage.delete(lived.recording.storage_key)
    assert rows(opened(alice.tenant), "transcription.recording")


def test_a_long_recording_takes_no_memory(alice: Character, lived: Transcription) -> None:
    with storage.local_path(lived.recording.storage_key).open("ab") as file:
        file.truncate(300 * 1024 * 1024)
    with scope.bound(alice.tenant.id):
        tracemalloc.start()
        try:
            size = sum(map(len, archive.stream(alice.tenant, "https://portal.example")))
            _now, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert size > 300 * 1024 * 1024
    assert most < 40 * 1024 * 1024
