"""tus 1.0.0 as its specification says it, over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from django.conf import settings as django_settings

from tenants.models import Quota
from tests.conftest import Character
from tests.transcription.uploads.conftest import BYTES, Tus, encoded, id_of, named, recordings
from transcription.media import storage
from transcription.models import Transcription
from transcription.uploads import files
from transcription.uploads.models import Upload

pytestmark = pytest.mark.django_db(transaction=True)


async def slowly(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_options_say_what_is_spoken_here(tus: Tus) -> None:
    tus.headers = {}
    answer = await tus.ask("OPTIONS", tus.address, Tus_Resumable="")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-extension"] == "creation,creation-with-upload,termination,expiration"
    assert answer.headers["tus-max-size"] == str(django_settings.UPLOAD_BYTES_LIMIT)


async def test_options_with_a_key_say_the_tenant_s_own_limit(tus: Tus, alice: Character) -> None:
    await Quota.objects.filter(tenant=alice.tenant).aupdate(upload_bytes=1234)
    assert (await tus.ask("OPTIONS", tus.address)).headers["tus-max-size"] == "1234"


async def test_a_piece_may_be_larger_than_any_other_body(tus: Tus) -> None:
    url = await tus.create(12 * 1024**2, filename="a.wav")
    answer = await tus.patch(url, 0, bytes(9 * 1024**2))
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(9 * 1024**2))


@pytest.mark.parametrize("pieces", [{}, named(BYTES)], ids=["creation", "creation-with-upload"])
async def test_metadata_that_changes_nothing_is_named(tus: Tus, pieces: dict[str, str]) -> None:
    metadata = encoded(filename="a.wav", filetype="audio/wav", language="de", lang="de")
    answer = await tus.ask("POST", tus.address, b"R", Upload_Length="10", Upload_Metadata=metadata, **pieces)
    assert (answer.status_code, answer.headers["x-ignored-parameters"]) == (201, "filetype, lang")


async def test_a_file_in_three_pieces_becomes_a_recording(tus: Tus, sound: bytes, alice: Character) -> None:
    url = await tus.create(len(sound), filename="Besprechung 会议.wav", language="de", hotwords="Müller")
    assert await tus.offset(url) == 0
    for start, end in ((0, 1), (1, 100_000)):
        answer = await tus.patch(url, start, slowly(sound[start : end - 1], sound[end - 1 : end]))
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(end))
        assert answer.headers["upload-state"] == "open"
        assert await tus.offset(url) == end
    answer = await tus.patch(url, 100_000, sound[100_000:])
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(sound)))
    [recording] = await recordings()
    assert answer.headers["upload-state"] == "accepted"
    assert answer.headers["upload-recording"] == f"/api/v1/recordings/{recording.id}"
    assert (recording.name, recording.source) == ("Besprechung 会议.wav", "api")
    assert recording.api_key is not None
    assert storage.local_path(recording.storage_key).read_bytes() == sound
    assert recording.sha256 == hashlib.sha256(sound).hexdigest()
    assert [(row.language, row.hotwords) for row in recording.transcriptions.all()] == [("de", "Müller")]
    assert list(django_settings.UPLOADS_DIR.iterdir()) == []
    assert (await tus.ask("GET", url)).json()["recording"] == str(recording.id)


async def test_an_accepted_upload_is_whole_for_whoever_asks_again(tus: Tus, sound: bytes) -> None:
    url = await tus.create(len(sound))
    await tus.patch(url, 0, sound)
    assert await tus.offset(url) == len(sound)
    [recording] = await recordings()
    again, nothing_more = await tus.patch(url, 0, sound), await tus.patch(url, len(sound), b"")
    assert (again.status_code, nothing_more.status_code) == (409, 204), "whose answer was lost"
    for answer in (again, nothing_more):
        assert answer.headers["upload-offset"] == str(len(sound))
        assert answer.headers["upload-recording"] == f"/api/v1/recordings/{recording.id}"
    assert len(await recordings()) == 1


async def test_head_repeats_what_the_client_said_and_is_never_cached(tus: Tus) -> None:
    url = await tus.create(1000, filename="a.wav", filetype="audio/wav")
    answer = await tus.ask("HEAD", url)
    assert answer.headers["upload-metadata"] == encoded(filename="a.wav", filetype="audio/wav")
    assert answer.headers["upload-length"] == "1000"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["tus-resumable"] == "1.0.0"
    left = parsedate_to_datetime(answer.headers["upload-expires"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)


async def test_creation_may_bring_the_first_bytes_or_all(tus: Tus, sound: bytes) -> None:
    some = await tus.ask("POST", tus.address, sound[:1000], Upload_Length=str(len(sound)), **named(BYTES))
    assert (some.status_code, some.headers["upload-offset"]) == (201, "1000")
    assert (await tus.patch(some.headers["location"], 1000, sound[1000:])).headers["upload-state"] == "accepted"
    whole = await tus.ask("POST", tus.address, sound, Upload_Length=str(len(sound)), **named(BYTES))
    assert (whole.status_code, whole.headers["upload-state"]) == (201, "accepted")
    assert await tus.offset(whole.headers["location"]) == len(sound)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Tus_Resumable": ""}, 412, "unsupported_version"),
        ({"Tus_Resumable": "0.2.2"}, 412, "unsupported_version"),
        ({"Content_Type": "application/octet-stream"}, 415, "wrong_content_type"),
        ({"Content_Type": ""}, 415, "wrong_content_type"),
        ({"Upload_Offset": "5"}, 409, "wrong_offset"),
        ({"Upload_Offset": "-1"}, 400, "invalid_header"),
        ({"Upload_Offset": "0x0"}, 400, "invalid_header"),
        ({"Upload_Offset": ""}, 400, "invalid_header"),
        ({"Upload_Offset": "9" * 400}, 400, "invalid_header"),
    ],
)
async def test_a_piece_that_is_none_is_refused_and_nothing_is_written(
    tus: Tus, headers: dict[str, str], status: int, code: str
) -> None:
    url = await tus.create(1000)
    answer = await tus.patch(url, 0, b"x" * 10, **headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["tus-resumable"] == "1.0.0"
    assert (answer.headers.get("tus-version") == "1.0.0") == (status == 412)
    assert await tus.offset(url) == 0


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Upload_Concat", "partial"),
        ("Upload_Concat", "final;/api/v1/uploads/a /api/v1/uploads/b"),
        ("Upload_Checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="),
    ],
)
async def test_what_means_something_else_without_its_extension_is_refused(tus: Tus, header: str, value: str) -> None:
    """A part of a file must not become a recording, nor a piece be taken for checked."""
    begun = await tus.ask("POST", tus.address, Upload_Length="1000", **{header: value})
    with_bytes = await tus.ask("POST", tus.address, b"x", Upload_Length="1000", **{header: value}, **named(BYTES))
    url = await tus.create(1000)
    for answer in (begun, with_bytes, await tus.patch(url, 0, b"x", **{header: value})):
        assert (answer.status_code, answer.json()["code"]) == (400, "unsupported_extension")
        assert header.replace("_", "-") in answer.json()["detail"]
    assert await Upload._base_manager.acount() == 1
    assert await tus.offset(url) == 0


async def test_headers_that_nobody_knows_change_nothing(tus: Tus, sound: bytes) -> None:
    answer = await tus.ask("POST", tus.address, Upload_Length=str(len(sound)), Upload_Colour="blue")
    assert answer.status_code == 201
    done = await tus.patch(answer.headers["location"], 0, sound, Upload_Colour="blue")
    assert (done.status_code, done.headers["upload-state"]) == (204, "accepted")


async def test_a_slash_at_the_end_changes_nothing(tus: Tus, sound: bytes) -> None:
    tus.address += "/"
    assert (await tus.ask("OPTIONS", tus.address)).status_code == 204
    url = await tus.create(len(sound)) + "/"
    assert (await tus.patch(url, 0, sound[:1000])).headers["upload-offset"] == "1000"
    assert await tus.offset(url) == 1000
    assert (await tus.patch(url, 1000, sound[1000:])).headers["upload-state"] == "accepted"


async def test_a_wrong_offset_says_the_right_one(tus: Tus) -> None:
    url = await tus.create(1000)
    await tus.patch(url, 0, b"x" * 10)
    answer = await tus.patch(url, 0, b"x" * 10)
    assert (answer.status_code, answer.headers["upload-offset"]) == (409, "10")


async def test_more_than_announced_is_refused_by_its_length_and_while_it_streams(tus: Tus) -> None:
    url = await tus.create(1000)
    answer = await tus.patch(url, 0, b"x" * 1001)
    assert (answer.status_code, answer.json()["code"], await tus.offset(url)) == (413, "too_much", 0)
    answer = await tus.patch(url, 0, slowly(b"x" * 900, b"x" * 900))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_much")
    assert files.size(id_of(url)) == 1000
    answer = await tus.ask("POST", tus.address, b"x" * 11, Upload_Length="10", **named(BYTES))
    assert answer.status_code == 413
    assert await Upload._base_manager.acount() == 1


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Upload_Length": ""}, 400, "invalid_header"),
        ({"Upload_Length": "-1"}, 400, "invalid_header"),
        ({"Upload_Length": "1.5"}, 400, "invalid_header"),
        ({"Upload_Length": "0"}, 400, "empty_file"),
        ({"Upload_Defer_Length": "1", "Upload_Length": ""}, 400, "length_required"),
        ({"Upload_Length": "999999999999999"}, 413, "quota_upload_bytes"),
        ({"Tus_Resumable": "2.0.0"}, 412, "unsupported_version"),
        ({"Idempotency_Key": "two words"}, 400, "invalid_value"),
    ],
)
async def test_what_can_not_become_an_upload_is_refused_at_once(
    tus: Tus, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await tus.ask("POST", tus.address, **({"Upload_Length": "1000"} | headers))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await Upload._base_manager.acount() == 0


@pytest.mark.parametrize(
    "metadata",
    [
        "filename not-base64!",
        "filename YQ",
        "filename /w==",
        "filename YQ==,filename YQ==",
        "filename  YQ==",
        "file\u00e4 YQ==",
        ",",
        "filename YQ==,",
        "x" * 101,
        ",".join(f"k{n} YQ==" for n in range(65)),
        "k " + "QUFB" * 9000,
    ],
)
async def test_hostile_metadata_is_refused(tus: Tus, metadata: str) -> None:
    headers = [(b"Upload-Length", b"10"), (b"Upload-Metadata", metadata.encode("latin-1"))]
    own = [(name.encode(), value.encode()) for name, value in tus.headers.items()]
    answer = await tus.http.request("POST", tus.address, headers=[*own, (b"Tus-Resumable", b"1.0.0"), *headers])
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_metadata")


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        (encoded(filename="../../etc/passwd"), "passwd"),
        (encoded(filename="a\r\nX-Evil: 1\x00b"), "aX-Evil: 1b"),
        (encoded(name="from uppy.mp3"), "from uppy.mp3"),
        ("is_confidential", "Untitled recording"),
        ("", "Untitled recording"),
    ],
)
async def test_metadata_is_only_text(tus: Tus, metadata: str, name: str) -> None:
    answer = await tus.ask("POST", tus.address, Upload_Length="10", Upload_Metadata=metadata)
    assert (await tus.ask("GET", answer.headers["location"])).json()["name"] == name


async def test_options_that_make_no_sense_are_refused_before_the_first_byte(tus: Tus) -> None:
    answer = await tus.ask("POST", tus.address, Upload_Length="10", Upload_Metadata=encoded(model="huge-v9"))
    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (400, "model_not_found", "model")


async def test_what_is_no_audio_is_refused_with_its_last_byte_and_is_gone(tus: Tus, uploads_dir: Path) -> None:
    url = await tus.create(5000, filename="notes.txt")
    answer = await tus.patch(url, 0, b"no song " * 625)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_media")
    assert (answer.headers["upload-state"], answer.headers["upload-offset"]) == ("refused", "5000")
    said = (await tus.ask("GET", url)).json()
    assert (said["state"], said["problem"]["code"], said["problem"]["status"]) == ("refused", "not_media", 422)
    assert (await tus.ask("HEAD", url)).status_code == 410
    assert list(uploads_dir.iterdir()) == []


async def test_a_terminated_upload_is_gone(tus: Tus, uploads_dir: Path) -> None:
    url = await tus.create(1000)
    await tus.patch(url, 0, b"x" * 10)
    assert (await tus.ask("DELETE", url)).status_code == 204
    for method in ("HEAD", "DELETE", "GET"):
        assert (await tus.ask(method, url)).status_code == 404
    assert (await tus.patch(url, 10, b"x")).status_code == 404
    assert list(uploads_dir.iterdir()) == []


async def test_clients_without_patch_say_it_in_a_header(tus: Tus) -> None:
    url = await tus.create(1000)
    answer = await tus.ask("POST", url, b"x" * 10, X_HTTP_Method_Override="PATCH", Upload_Offset="0", **named(BYTES))
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, "10")
    assert (await tus.ask("POST", url, X_HTTP_Method_Override="DELETE")).status_code == 204


async def test_of_two_pieces_at_once_one_waits_its_turn(tus: Tus) -> None:
    url = await tus.create(1000)
    go = asyncio.Event()

    async def held() -> AsyncIterator[bytes]:
        yield b"x" * 10
        await go.wait()
        yield b"x" * 10

    first = asyncio.create_task(tus.patch(url, 0, held()))
    while files.size(id_of(url)) < 10:
        await asyncio.sleep(0.01)
    second = await tus.patch(url, 10, b"y")
    assert (second.status_code, second.json()["code"]) == (423, "upload_locked")
    assert (await tus.ask("DELETE", url)).status_code == 423
    assert await tus.offset(url) == 10
    go.set()
    assert (await first).headers["upload-offset"] == "20"
    assert (await tus.patch(url, 20, b"y")).status_code == 204


async def test_one_idempotency_key_makes_one_recording(tus: Tus, sound: bytes) -> None:
    made = []
    for _ in range(2):
        answer = await tus.ask("POST", tus.address, Upload_Length=str(len(sound)), Idempotency_Key="monday")
        done = await tus.patch(answer.headers["location"], 0, sound)
        made.append(done.headers["upload-recording"])
    assert made[0] == made[1]
    assert len(await recordings()) == 1


async def test_erasing_the_recording_forgets_its_upload(tus: Tus, sound: bytes) -> None:
    url = await tus.create(len(sound), prompt="Names nobody else may know.")
    recording = (await tus.patch(url, 0, sound)).headers["upload-recording"]
    assert (await tus.http.delete(recording, headers=tus.headers)).status_code == 204
    assert (await tus.ask("GET", url)).status_code == 404
    assert await Upload._base_manager.acount() == 0
    assert not await Transcription._base_manager.aexists()
