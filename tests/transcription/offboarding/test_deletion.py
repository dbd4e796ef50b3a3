"""A deleted tenant leaves a receipt and nothing else, however often it was interrupted; others keep everything."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.core.signing import Signer
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from tenants import api_keys, scope
from tenants.models import Member, Tenant, User
from tests.conftest import Character
from tests.transcription.characters import arrive
from transcription.errors import Refused
from transcription.fetches import claims as fetch_claims
from transcription.intake import accept
from transcription.leases import LostClaim
from transcription.models import Transcription
from transcription.offboarding import deletion, receipts
from transcription.offboarding.models import Deletion
from transcription.options.options import TranscriptionOptions
from transcription.queue import claims, lifecycle
from transcription.receipts.signatures import InvalidReceipt
from transcription.uploads import cleanup
from transcription.webhooks import deliveries

pytestmark = pytest.mark.django_db
Look = Callable[[Tenant], dict[str, Any]]


def erase(tenant: Tenant) -> Deletion:
    row = deletion.begin(tenant, "olivia@portal.example")
    assert deletion.advance_all() == 1
    row.refresh_from_db()
    return row


def test_nothing_of_it_is_left(alice: Character, bob: Character, lived: Transcription, everything_of: Look) -> None:
    before = everything_of(alice.tenant)
    row = erase(alice.tenant)
    assert everything_of(alice.tenant) == {}
    assert not Tenant.objects.filter(id=alice.tenant.id).exists()
    assert not User.objects.filter(email__endswith="@acme.example").exists()
    assert not LogEntry.objects.filter(object_repr__contains="Acme").exists()
    told = receipts.verified(row.receipt)
    rows = told["erased"]["rows"]
    for model in ("transcription.recording", "transcription.revision", "tenants.auditentry", "tenants.apikey"):
        assert rows[model] == len(before[model]), model
    assert (rows["tenants.tenant"], rows["tenants.user"]) == (1, 2)
    sound = sum(len(content) for content in before["media"].values())
    stored = {"objects": 2, "bytes": sound, "uploads": 1, "upload_bytes": 400}
    assert told["erased"]["media"] == stored | {"exchanged": 0, "exchanged_bytes": 0}
    assert told["requested_by"] == "olivia@portal.example"
    assert told["kept"]["ledger"][0]["seconds"] == 3
    assert "alice" not in row.receipt


def test_its_folder_of_the_server_goes_and_what_links_there_lead_to_stays(
    alice: Character, mallory: Character, lived: Transcription, settings: LazySettings, tmp_path: Path
) -> None:
    settings.EXCHANGE_ROOT = str(tmp_path / "exchange")
    own, theirs = (tmp_path / "exchange" / str(one.tenant.id) / "radio" for one in (alice, mallory))
    for place in (own, theirs):
        for part in ("in", "done", "failed", "out"):
            (place / part).mkdir(parents=True)
            (place / part / "news.wav").write_bytes(b"sound")
    (own / "done" / "theirs").symlink_to(theirs / "done")
    (own / "done" / "one.wav").symlink_to(theirs / "done" / "news.wav")
    told = receipts.verified(erase(alice.tenant).receipt)["erased"]["media"]
    assert not own.parent.exists()
    assert len(list(theirs.glob("*/news.wav"))) == 4
    (own / "done").mkdir(parents=True)
    (own / "done" / "late.wav").write_bytes(b"sound")
    assert deletion.advance_all() == 0
    assert not own.parent.exists(), "what was on its way goes with the next sweep"
    assert told["exchanged"] >= 4
    assert told["exchanged_bytes"] >= 20


def test_a_folder_that_is_a_link_leads_nowhere_and_one_that_cannot_go_is_tried_again(
    alice: Character, lived: Transcription, settings: LazySettings, tmp_path: Path
) -> None:
    settings.EXCHANGE_ROOT = str(tmp_path / "exchange")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "news.wav").write_bytes(b"sound")
    row = deletion.begin(alice.tenant, "olivia@portal.example")
    assert deletion.advance_all() == 0, "the folder of all isn't there now: who knows what it has"
    (tmp_path / "exchange").mkdir()
    (tmp_path / "exchange" / str(alice.tenant.id)).symlink_to(tmp_path / "elsewhere")
    assert deletion.advance_all() == 1
    row.refresh_from_db()
    assert row.media["exchanged"] == 0
    assert list((tmp_path / "exchange").iterdir()) == []
    assert (tmp_path / "elsewhere" / "news.wav").exists()


def test_others_keep_everything(
    alice: Character, mallory: Character, carol: User, lived: Transcription, everything_of: Look
) -> None:
    before = everything_of(mallory.tenant)
    assert {"media", "uploads", "transcription.segment", "webhooks.endpoint", "tickets.socketticket"} <= before.keys()
    erase(alice.tenant)
    assert everything_of(mallory.tenant) == before
    assert [member.tenant for member in Member.objects.filter(user=carol)] == [mallory.tenant]
    assert User.objects.filter(email="olivia@portal.example").exists()
    assert api_keys.authenticate(mallory.secret)
    names = {Session.objects.get(pk=one.pk).get_decoded()["_auth_user_id"] for one in Session.objects.all()}
    assert names == {str(mallory.user.pk)}


def test_somebody_whose_name_stands_in_another_tenant_stays(
    alice: Character, bob: Character, mallory: Character, lived: Transcription, everything_of: Look
) -> None:
    api_keys.issue(mallory.tenant, "Made by Bob once", bob.user)
    before = everything_of(mallory.tenant)
    erase(alice.tenant)
    assert User.objects.filter(pk=bob.user.pk).exists()
    assert everything_of(mallory.tenant) == before


class Interrupted(OperationalError):
    pass


@contextmanager
def interrupted_after(statements: int) -> Iterator[None]:
    """The database goes away before the next statement."""
    left = [statements]

    def execute(run: Callable[..., Any], *arguments: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Interrupted
        return run(*arguments)

    with connection.execute_wrapper(execute):
        yield


@pytest.mark.django_db(transaction=True)
def test_it_goes_on_wherever_it_was_interrupted(
    alice: Character, mallory: Character, lived: Transcription, everything_of: Look
) -> None:
    before, others = everything_of(alice.tenant), everything_of(mallory.tenant)
    row = deletion.begin(alice.tenant, "olivia@portal.example")
    for statements in range(1, 200, 3):
        try:
            with interrupted_after(statements):
                deletion.advance(row)
        except Interrupted:
            continue
        break
    deletion.advance_all()
    row.refresh_from_db()
    told = receipts.verified(row.receipt)["erased"]
    assert everything_of(alice.tenant) == {}
    assert everything_of(mallory.tenant) == others
    assert told["media"]["bytes"] == sum(len(content) for content in before["media"].values())
    for model in ("transcription.recording", "transcription.segment", "tenants.auditentry", "tenants.member"):
        assert told["rows"][model] == len(before[model]), model


def test_nothing_of_it_goes_on_meanwhile(alice: Character, lived: Transcription, fox: Path, client: Client) -> None:
    client.force_login(alice.user)
    [working] = [one for one in iter(lambda: claims.claim("host/1"), None) if one.tenant_id == alice.tenant.id]
    actor, file = alice.actor, arrive(fox, "late.wav")
    row = deletion.begin(alice.tenant, "olivia@portal.example")
    assert api_keys.authenticate(alice.secret) is None
    assert client.get("/recordings/").status_code == 403
    assert [claim for claim in iter(fetch_claims.claim, None) if claim.tenant_id == alice.tenant.id] == []
    assert cleanup.accept_whole() == 0
    assert [head for head in deliveries.due_endpoints() if head.tenant_id == alice.tenant.id] == []
    with scope.bound(alice.tenant.id), pytest.raises(Refused, match="is being deleted"):
        accept.accept(actor, file, TranscriptionOptions.checked(temperature=0.9), source="upload")
    assert deletion.advance(row)
    with scope.bound(alice.tenant.id), pytest.raises(LostClaim):
        lifecycle.renew(working)


def test_it_is_not_switched_on_again(alice: Character, lived: Transcription, olivia: User, client: Client) -> None:
    deletion.begin(alice.tenant, "olivia@portal.example")
    client.force_login(olivia)
    page = client.get(reverse("admin:tenants_tenant_change", args=[alice.tenant.pk])).content.decode()
    assert 'name="is_active"' not in page
    assert "being erased" in page


def test_deciding_twice_is_deciding_once(alice: Character, lived: Transcription) -> None:
    first, second = (deletion.begin(alice.tenant, who) for who in ("olivia@portal.example", "oscar@portal.example"))
    assert first == second
    assert second.requested_by == "olivia@portal.example"
    assert deletion.advance(first)
    assert not deletion.advance(second)
    assert Deletion.objects.count() == 1


def test_a_receipt_that_was_changed_is_not_genuine(
    alice: Character, lived: Transcription, settings: LazySettings
) -> None:
    receipt = erase(alice.tenant).receipt
    changed = json.loads(receipt)
    changed["receipt"]["erased"]["rows"]["transcription.recording"] = 1
    for text in (json.dumps(changed), "[]", "", '{"receipt": 1, "signature": 2}'):
        with pytest.raises(InvalidReceipt):
            receipts.verified(text)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another key by now"
    assert receipts.verified(receipt)["tenant"]["name"] == "Acme"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(InvalidReceipt, match="not genuine"):
        receipts.verified(receipt)


def test_on_the_command_line(alice: Character, lived: Transcription, tmp_path: Path) -> None:
    file, out = tmp_path / "acme.zip", io.StringIO()
    with pytest.raises(CommandError, match="the tenant's name is"):
        call_command("tenant", "delete", str(alice.tenant.id), "--confirm=Evil", f"--archive={file}")
    assert not file.exists()
    call_command("tenant", "delete", "Acme", "--confirm=Acme", f"--archive={file}", stdout=out, stderr=io.StringIO())
    assert file.read_bytes().startswith(b"PK")
    assert file.stat().st_mode & 0o777 == 0o600
    receipt = tmp_path / "receipt.json"
    receipt.write_text(out.getvalue())
    told = io.StringIO()
    call_command("tenant", "verify-receipt", str(receipt), stdout=told)
    assert "The receipt is genuine: Acme was erased" in told.getvalue()
    assert str(file) in out.getvalue()
    receipt.write_text(out.getvalue().replace("Acme", "Acne"))
    with pytest.raises(CommandError, match="not genuine"):
        call_command("tenant", "verify-receipt", str(receipt))


def test_one_of_several_with_a_name_is_meant_by_its_id(alice: Character) -> None:
    Tenant.objects.create(name="Acme")
    with pytest.raises(CommandError, match=str(alice.tenant.id)):
        call_command("tenant", "export", "Acme", "/nowhere.zip")


def test_receipts_from_before_there_were_public_keys_are_still_known() -> None:
    receipt = {"tenant": {"id": "7", "name": "Acme"}, "finished_at": "2026-01-01T00:00:00+00:00"}
    signature = Signer(salt=receipts.SALT).signature(json.dumps(receipt, sort_keys=True, separators=(",", ":")))
    assert receipts.verified(json.dumps({"receipt": receipt, "signature": signature})) == receipt
    with pytest.raises(InvalidReceipt):
        receipts.verified(json.dumps({"receipt": receipt | {"tenant": {}}, "signature": signature}))
