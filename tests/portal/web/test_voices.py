"""Members enrol their voices, where the owners let them, and delete them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from tenants import enrolled_voices, members, scope
from tenants.former_members import KeyDecision
from tenants.models import AuditEntry, EnrolledVoice, Member, Tenant, User
from tests.conftest import Character, MakeMedia
from tests.portal.web.conftest import Make, signed_in
from tests.scripted.diarization import voice
from transcription.diarization.voices import Sample
from transcription.models import MachineText, Revision, Segment, Speaker, Transcription
from transcription.voices import enrolment, sealing, sentences
from transcription.voices.enrolment import LEAST_SPEECH_SECONDS

pytestmark = pytest.mark.django_db
GOOD = Sample(voice(0), 4.0, 4.0)


class Gpuworker:
    """Hears, in turn, what the test says, and then the good sentence."""

    def __init__(self) -> None:
        self.says: list[Sample | str] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        with sentences.connection() as redis:
            while not self.stop.is_set():
                if (taken := sentences.take(redis)) is not None:
                    sentences.answer(redis, taken[0], self.says.pop(0) if self.says else GOOD)


@pytest.fixture
def gpuworker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gpuworker]:
    monkeypatch.setattr(sentences, "POLL_SECONDS", 0.1)
    running = Gpuworker()
    yield running
    running.stop.set()
    running.thread.join()


@pytest.fixture
def sentence(make_media: MakeMedia) -> Path:
    return make_media.tone("sentence.wav", 4.0, "-filter:a", "volume=-3dB")


@pytest.fixture
def allowed(alice: Character) -> Tenant:
    enrolled_voices.allow(alice.actor, True)
    return alice.tenant


def enrol(client: Client, sentence: Path, **changes: Any) -> Any:
    with sentence.open("rb") as one, sentence.open("rb") as two, sentence.open("rb") as three:
        form = {"sentence1": one, "sentence2": two, "sentence3": three, "name": "Bob B.", "agreed": "1"} | changes
        return client.post("/voice/", form, headers={"Accept": "application/json"})


def told(tenant: Tenant, action: str) -> list[dict[str, Any]]:
    with scope.bound(tenant.id):
        rows = AuditEntry.objects.filter(action__startswith=action).order_by("id")
        return [{"action": one.action} | one.details for one in rows]


def voices(tenant: Tenant) -> int:
    return enrolled_voices.count(tenant)


def test_nobody_enrols_before_an_owner_allows_it_and_all_voices_go_when_one_ends_it(
    as_alice: Client, as_bob: Client, alice: Character, sentence: Path, gpuworker: Gpuworker
) -> None:
    assert "Its owners can allow it" in as_bob.get("/voice/").content.decode()
    assert enrol(as_bob, sentence).status_code == 403
    assert "Let members enrol" in as_alice.get("/people/").content.decode()
    assert as_bob.post("/people/voices/", {"allowed": "yes"}).status_code == 403
    as_alice.post("/people/voices/", {"allowed": "yes"})
    assert enrol(as_bob, sentence).status_code == 200
    assert "1 person has enrolled" in as_alice.get("/people/").content.decode()
    as_alice.post("/people/voices/", {"allowed": "no"})
    assert voices(alice.tenant) == 0
    assert [one["recognises_voices"] for one in told(alice.tenant, "tenant.changed")] == [True, False]
    assert [one["action"] for one in told(alice.tenant, "voice.")] == ["voice.enrolled", "voice.revoked"]


def test_a_member_enrols_with_consent_and_only_an_encrypted_voice_is_kept(
    as_bob: Client, allowed: Tenant, sentence: Path, gpuworker: Gpuworker, settings: LazySettings
) -> None:
    shown = as_bob.get("/voice/").content.decode()
    assert shown.count("data-sentence") >= 3
    assert "the sound is not kept" in shown
    assert enrol(as_bob, sentence, agreed="").status_code == 400
    assert enrol(as_bob, sentence).json() == {"enrolled": True}
    with scope.bound(allowed.id):
        row = EnrolledVoice.objects.get()
    assert (row.name, row.version) == ("Bob B.", "campplus-92f29b94")
    clear = voice(0).astype("<f4").tobytes()
    assert clear not in bytes(row.sealed)
    assert sealing.unseal(row.sealed) == clear
    assert not list(Path(settings.INCOMING_DIR).glob("voice-*")), "no sound is left"
    assert "Bob B." in as_bob.get("/voice/").content.decode()
    with_another_key = settings.SECRET_KEY
    settings.SECRET_KEY = "another one"
    with pytest.raises(sealing.SecretLost):
        sealing.unseal(row.sealed)
    settings.SECRET_KEY_FALLBACKS = [with_another_key]
    assert sealing.unseal(row.sealed) == clear


def test_whatever_is_wrong_with_a_sentence_is_told(
    as_bob: Client, allowed: Tenant, sentence: Path, make_media: MakeMedia, gpuworker: Gpuworker, tmp_path: Path
) -> None:
    def check(path: Path) -> str:
        with path.open("rb") as file:
            answer = as_bob.post("/voice/check/", {"sentence": file})
        return "good" if answer.status_code == 200 else answer.json()["error"]["message"]

    quiet = make_media.tone("quiet.wav", 4.0, "-filter:a", "volume=-60dB")
    loud = make_media.tone("loud.wav", 4.0, "-filter:a", "volume=40dB")
    long = make_media.tone("long.wav", 30.0)
    broken = tmp_path / "broken.webm"
    broken.write_bytes(b"no sound at all")
    assert check(sentence) == "good"
    assert [check(path).split(".")[0] for path in (quiet, loud, long, broken)] == [
        "That was too quiet",
        "That was too loud, and is distorted",
        "That was too long",
        "The recording could not be read",
    ]
    gpuworker.says = [Sample(voice(0), 1.0, 1.0), Sample(voice(0), 4.0, 2.6), "no weights"]
    said = [check(sentence) for _again in range(3)]
    assert said[0].startswith("That was too short")
    assert said[1].startswith("More than one voice")
    assert said[2].startswith("Nobody could listen")
    gpuworker.says = [GOOD, Sample(voice(1), LEAST_SPEECH_SECONDS, LEAST_SPEECH_SECONDS), GOOD]
    answer = enrol(as_bob, sentence)
    assert (answer.status_code, list(answer.json()["sentences"])) == (400, ["sentence2"])
    answer = enrol(as_bob, sentence, sentence2="")
    assert answer.json()["sentences"] == {"sentence2": "Read this sentence, too."}
    assert voices(allowed) == 0


def test_without_a_gpuworker_nothing_is_enrolled_and_the_reason_is_told(
    as_bob: Client, allowed: Tenant, sentence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentences, "WAIT_SECONDS", 1)
    monkeypatch.setattr(sentences, "POLL_SECONDS", 0.1)
    with sentence.open("rb") as file:
        answer = as_bob.post("/voice/check/", {"sentence": file})
    assert (answer.status_code, "Wait a minute" in answer.json()["error"]["message"]) == (400, True)


@pytest.fixture
def named(bob: Character, allowed: Tenant, make: Make) -> Transcription:
    """A transcript in which Bob was recognised, and whose text was corrected since."""
    row = make(allowed, text="Good morning. There are <b>two</b> risks.", speakers="2")
    with scope.bound(allowed.id):
        sealed = sealing.seal(voice(0).tobytes())
        EnrolledVoice.objects.create(tenant=allowed, member=bob.member, name="Bob B.", sealed=sealed, version="v")
        for index in (0, 1):
            Segment.objects.filter(transcription=row, index=index).update(speaker=index)
        known = Speaker.numbered(row, 0, "Bob B.")
        known.recognised = bob.member
        Speaker.objects.bulk_create([known, Speaker.numbered(row, 1)])
    return row


def rename(client: Client, row: Transcription, speaker: int, name: str, etag: str) -> Any:
    body = {"do": "rename", "speaker": speaker, "name": name, "etag": etag}
    return client.post(f"/transcriptions/{row.id}/speakers/", body, "application/json")


def test_a_recognised_speaker_is_marked_until_somebody_writes_another_name(
    as_alice: Client, client: Client, alice: Character, named: Transcription
) -> None:
    address = f"/api/v1/transcriptions/{named.id}/speakers"
    listed = client.get(address, headers=alice.bearer).json()["results"]
    assert [(one["name"], one["recognised"]) for one in listed] == [("Bob B.", True), ("", False)]
    page = as_alice.get(f"/transcriptions/{named.id}/speakers/").json()["list"]
    assert page.count("recognised") == 1
    assert "recognised" not in rename(as_alice, named, 0, "Robert", "0").json()["list"]
    listed = client.get(address, headers=alice.bearer).json()["results"]
    assert (listed[0]["name"], listed[0]["recognised"]) == ("Robert", False)


def test_a_deleted_voice_leaves_names_as_text_unless_they_are_to_go_too_from_the_history_as_well(
    as_alice: Client, as_bob: Client, bob: Character, named: Transcription
) -> None:
    rename(as_alice, named, 1, "Carol", "0")
    as_bob.post("/voice/revoke/", {"voice": "1"})
    assert voices(named.tenant) == 0
    with scope.bound(named.tenant_id):
        assert list(named.speaker_set.values_list("name", flat=True)) == ["Bob B.", "Carol"]
    assert "1 transcript still has your name" in as_bob.get("/voice/").content.decode()
    as_bob.post("/voice/revoke/", {"names": "1"})
    with scope.bound(named.tenant_id):
        assert list(named.speaker_set.values_list("name", flat=True)) == ["", "Carol"]
        assert MachineText.objects.get().names == {"0": "", "1": ""}
        assert [one.names for one in Revision.objects.order_by("number")] == [{"1": ""}, {"0": ""}]
    assert [one["action"] for one in told(named.tenant, "voice.")] == ["voice.revoked", "voice.names_removed"]
    assert "Bob B." not in as_alice.get(f"/recordings/{named.recording_id}/").content.decode()


def test_a_voice_goes_with_its_member_however_they_leave(
    as_alice: Client, alice: Character, bob: Character, named: Transcription, client: Client
) -> None:
    as_alice.post(f"/people/{bob.member.id}/remove/", {"keys": KeyDecision.REVOKE})
    assert voices(named.tenant) == 0
    assert [one["action"] for one in told(named.tenant, "voice.")] == ["voice.revoked"]
    with scope.bound(named.tenant_id):
        assert [(one.name, one.recognised_id) for one in named.speaker_set.all()] == [("Bob B.", None), ("", None)]


def test_an_operator_who_deletes_a_person_deletes_the_voice_with_a_line_in_the_log(
    bob: Character, named: Transcription, client: Client
) -> None:
    client.force_login(User.objects.create_superuser("olivia@portal.example", "correct horse"))
    client.post(f"/admin/tenants/user/{bob.user.pk}/delete/", {"post": "yes"})
    assert not Member.objects.filter(pk=bob.member.pk).exists()
    assert (voices(named.tenant), len(told(named.tenant, "voice.revoked"))) == (0, 1)


def test_a_voice_of_one_organisation_is_nothing_to_another(
    bob: Character, named: Transcription, mallory: Character
) -> None:
    theirs = signed_in(Client(), mallory)
    theirs.post("/people/voices/", {"allowed": "yes"})
    theirs.post("/voice/revoke/", {"voice": "1", "names": "1"})
    theirs.post("/people/voices/", {"allowed": "no"})
    assert (voices(named.tenant), voices(mallory.tenant)) == (1, 0)
    with scope.bound(named.tenant_id):
        assert enrolment.named_transcripts(bob.actor) == 1
    with scope.bound(mallory.tenant.id):
        assert not list(enrolled_voices.comparable(mallory.tenant, "v"))
    members.remove(bob.actor, bob.member.id, KeyDecision.REVOKE)
    assert voices(named.tenant) == 0
