"""What a crash, a hang-up or a refusal leaves behind, seen on the running product."""

from __future__ import annotations

import socket
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import redis

from tests.conftest import MakeMedia
from tests.portal.api.test_native import completed, create
from tests.stack import Stack, start_scripted, stop
from tests.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that these tests may hurt. No lease ends while a test waits: what goes on does so because of a notice."""
    running = start_scripted(tmp_path_factory.mktemp("hurt"), WORKERS="2", LEASE_SECONDS="900")
    yield running
    stop(running)


@pytest.fixture
def http(own: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=own.url, headers=own.bearer, timeout=60) as client:
        yield client


def unheard(make_media: MakeMedia, speech: Path) -> Path:
    """The same sound in a file that nobody has uploaded before."""
    return make_media("unheard.mp3", "-i", str(speech), "-c", "copy", "-metadata", f"comment={uuid.uuid4()}")


@pytest.fixture(scope="module")
def speech_with_pauses(fox: Path, make_media: MakeMedia) -> Path:
    """Two minutes with something to hear every fifteen seconds."""
    pause = make_media("pause.wav", "-i", str(fox), "-af", "apad=whole_dur=15")
    return make_media("minutes.mp3", "-stream_loop", "7", "-i", str(pause))


@pytest.fixture
def minutes(speech_with_pauses: Path, make_media: MakeMedia) -> Path:
    return unheard(make_media, speech_with_pauses)


@pytest.fixture
def clip(fox: Path, make_media: MakeMedia) -> Path:
    """A few seconds that nobody has uploaded before."""
    return make_media("clip.mp3", "-i", str(fox), "-metadata", f"comment={uuid.uuid4()}")


@pytest.fixture(scope="module")
def undisturbed(own: Stack, speech_with_pauses: Path, make_media: MakeMedia) -> str:
    """What this machine makes of the two minutes when nothing happens."""
    return transcript(own, unheard(make_media, speech_with_pauses))


def transcript(stack: Stack, file: Path) -> str:
    with httpx.Client(base_url=stack.url, headers=stack.bearer, timeout=60) as http:
        made = create(http, file, language="en")["id"]
        completed(http, made, patience=240)
        return http.get(f"/api/v1/recordings/{made}/transcript.txt").text


@contextmanager
def half_done(stack: Stack, http: httpx.Client, file: Path) -> Iterator[dict[str, Any]]:
    """Sends a recording and holds the engine once the first window is saved; it goes on at the end.

    Meanwhile no window can be saved, and no engine that is started becomes ready.
    """
    with stack.engine.held():
        stack.engine.allow(1)
        made = create(http, file, language="en")
        until(lambda: saved_segments(stack, made["transcription"]["id"]) > 0)
        yield made


def saved_segments(stack: Stack, transcription: str) -> int:
    with closing(database(stack)) as rows:
        query = "select count(*) from transcription_segment where transcription_id = ?"
        return int(rows.execute(query, (transcription.replace("-", ""),)).fetchone()[0])


def attempts_of(stack: Stack, made: dict[str, Any]) -> tuple[int, list[str]]:
    """How many attempts count, and how each ended."""
    key = made["transcription"]["id"].replace("-", "")
    with closing(database(stack)) as rows:
        begun = "select attempts_made from transcription_transcription where id = ?"
        ended = "select outcome from transcription_attempt where transcription_id = ? order by fence"
        with rows:
            rows.execute("begin")
            (counted,) = rows.execute(begun, (key,)).fetchone()
            return counted, [outcome for (outcome,) in rows.execute(ended, (key,))]


def assert_nothing_was_lost(stack: Stack, http: httpx.Client, made: dict[str, Any], text: str, seconds: int) -> None:
    """Completed with the same text, charged once."""
    body = completed(http, made["id"], patience=120)
    assert body["transcription"]["status"] == "completed"
    assert http.get(f"/api/v1/recordings/{made['id']}/transcript.txt").text == text
    key = made["transcription"]["id"].replace("-", "")
    with closing(database(stack)) as rows:
        charges = rows.execute("select seconds from tenants_ledgerentry where transcription_id = ?", (key,)).fetchall()
    assert charges == [(seconds,)]


def children_of(stack: Stack, is_meant: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Living descendants; those that end meanwhile are left out."""
    found = []
    for process in psutil.Process(stack.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE and is_meant(process):
                found.append(process)
    return found


def gpuworker_of(stack: Stack) -> psutil.Process:
    """Waits while it is being restarted."""
    until(lambda: gpuworkers(stack))
    return gpuworkers(stack)[0]


def gpuworkers(stack: Stack) -> list[psutil.Process]:
    return children_of(stack, lambda child: child.ppid() == stack.process.pid and "gpuworker" in child.cmdline())


def stop_at_once(stack: Stack) -> None:
    """Stops the gpuworker in order, and with a second signal lets no recording finish before."""
    gpuworker = gpuworker_of(stack)
    idle = [one for one in gpuworker.children() if one.name().startswith("worker-") and not one.children()]
    gpuworker.terminate()
    until(lambda: not any(worker.is_running() for worker in idle))
    gpuworker.terminate()


def horses_of(stack: Stack) -> list[psutil.Process]:
    """The processes that carry a recording each."""
    return children_of(stack, lambda child: child.name() == "horse")


def engine_of(stack: Stack) -> psutil.Process:
    (engine,) = children_of(stack, lambda child: "tests.scripted.engine" in child.cmdline())
    return engine


def database(stack: Stack) -> sqlite3.Connection:
    return sqlite3.connect(stack.data / "portal.sqlite3", timeout=20, isolation_level=None)


@contextmanager
def limited(stack: Stack, column: str, value: int) -> Iterator[None]:
    """The demo tenant under a tighter quota."""
    rows = database(stack)
    (before,) = rows.execute(f"select {column} from tenants_quota").fetchone()
    rows.execute(f"update tenants_quota set {column} = ?", (value,))
    yield
    rows.execute(f"update tenants_quota set {column} = ?", (before,))
    rows.close()


def footprint(stack: Stack) -> tuple[object, ...]:
    """Rows, reservations and files: what a refusal must not change."""
    with database(stack) as rows:
        counts = [
            rows.execute(f"select count(*) from {table}").fetchone()
            for table in (
                "transcription_recording",
                "transcription_transcription",
                "tenants_reservation",
                "tenants_ledgerentry",
            )
        ]
        used = rows.execute("select stored_bytes_used from tenants_quota").fetchone()
        reserved = rows.execute("select sum(reserved_seconds), sum(used_seconds) from tenants_usagemonth").fetchone()
    files = sorted(
        str(path) for folder in ("media", "incoming") for path in (stack.data / folder).rglob("*") if path.is_file()
    )
    return *counts, used, reserved, files


def test_a_killed_gpuworker_costs_nothing(own: Stack, http: httpx.Client, minutes: Path, undisturbed: str) -> None:
    with half_done(own, http, minutes) as made:
        gpuworker_of(own).kill()
    assert_nothing_was_lost(own, http, made, undisturbed, seconds=120)


def test_a_gpuworker_that_is_stopped_hands_back_its_recording(
    own: Stack, http: httpx.Client, minutes: Path, undisturbed: str
) -> None:
    """The engine is held: the recording can't be finished instead, nor taken by the next gpuworker."""
    with half_done(own, http, minutes) as made:
        assert attempts_of(own, made) == (1, ["running"])
        stop_at_once(own)
        until(lambda: attempts_of(own, made)[1] != ["running"])
        assert attempts_of(own, made) == (0, ["handed_back"])
    assert_nothing_was_lost(own, http, made, undisturbed, seconds=120)
    assert attempts_of(own, made) == (1, ["handed_back", "completed"])


def test_a_killed_engine_costs_nothing(own: Stack, http: httpx.Client, minutes: Path, undisturbed: str) -> None:
    with half_done(own, http, minutes) as made:
        engine_of(own).kill()
    assert_nothing_was_lost(own, http, made, undisturbed, seconds=120)


def test_a_worker_process_that_dies_is_replaced_at_once(
    own: Stack, http: httpx.Client, minutes: Path, undisturbed: str
) -> None:
    """Its recording goes on from the last saved window long before the lease expires."""
    with half_done(own, http, minutes) as made:
        (horse,) = horses_of(own)
        horse.kill()
    assert_nothing_was_lost(own, http, made, undisturbed, seconds=120)


def test_whisper_itself_hears_the_same_though_its_job_dies(stack: Stack, fox: Path, make_media: MakeMedia) -> None:
    """The other tests here have a scripted engine. A minute would be heard before its job is found."""
    pause = make_media("pause.wav", "-i", str(fox), "-af", "apad=whole_dur=15")
    speech = make_media("minutes.mp3", "-stream_loop", "15", "-i", str(pause))
    undisturbed = transcript(stack, unheard(make_media, speech))
    assert "lazy dog" in undisturbed
    with httpx.Client(base_url=stack.url, headers=stack.bearer, timeout=60) as http:
        made = create(http, unheard(make_media, speech), language="en")
        until(lambda: saved_segments(stack, made["transcription"]["id"]) > 0)
        (horse,) = horses_of(stack)
        horse.kill()
        assert_nothing_was_lost(stack, http, made, undisturbed, seconds=240)


def test_cancelling_stops_the_work(own: Stack, http: httpx.Client, minutes: Path) -> None:
    """The engine is held: the job ends because it is told to, and not because it is done."""
    with half_done(own, http, minutes) as made:
        transcription = made["transcription"]["id"]
        answer = http.post(f"/api/v1/transcriptions/{transcription}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        until(lambda: not horses_of(own))
    with closing(database(own)) as rows:
        key = transcription.replace("-", "")
        held = rows.execute("select state from tenants_reservation where transcription_id = ?", (key,)).fetchall()
    assert held == [("released",)]


def test_work_goes_on_without_any_redis(tmp_path: Path, clip: Path) -> None:
    alone = start_scripted(tmp_path, REDIS_URL="redis://127.0.0.1:1/0")
    try:
        with httpx.Client(base_url=alone.url, headers=alone.bearer, timeout=60) as client:
            made = create(client, clip)["id"]
            assert completed(client, made, patience=120)["transcription"]["status"] == "completed"
    finally:
        stop(alone)


def test_a_redis_that_is_full_is_as_good_as_none(own: Stack, http: httpx.Client, clip: Path) -> None:
    line = redis.Redis(unix_socket_path=str(own.data / "run" / "valkey.sock"))
    line.config_set("maxmemory", 1)
    try:
        made = create(http, clip)["id"]
        assert completed(http, made, patience=120)["transcription"]["status"] == "completed"
    finally:
        line.config_set("maxmemory", 0)


def test_without_redis_uploads_are_accepted_and_done(own: Stack, http: httpx.Client, clip: Path) -> None:
    """They are accepted while Redis answers nobody, and done although their wake-ups are lost."""
    valkey = next(p for p in psutil.Process(own.process.pid).children() if "valkey" in p.name() or "redis" in p.name())
    valkey.suspend()  # it hangs, so that its supervisor does not start another one
    with own.engine.held():
        made = create(http, clip)["id"]
        assert http.get(f"/api/v1/recordings/{made}").json()["transcription"]["status"] in ("queued", "running")
        assert valkey.status() == psutil.STATUS_STOPPED
        valkey.kill()
    assert completed(http, made, patience=120)["transcription"]["status"] == "completed"


def test_an_upload_over_the_size_limit_is_refused_while_it_streams(own: Stack) -> None:
    before = footprint(own)
    with limited(own, "upload_bytes", 1_000_000), socket.create_connection(("127.0.0.1", port_of(own))) as line:
        sent = send_forever(line, own.api_key)
        answer = line.recv(65_536)
    assert b" 413 " in answer.split(b"\r\n", 1)[0]
    assert sent < 64_000_000
    until(lambda: footprint(own) == before)


def test_a_client_that_hangs_up_in_the_middle_leaves_nothing(own: Stack) -> None:
    before = footprint(own)
    with socket.create_connection(("127.0.0.1", port_of(own))) as line:
        line.sendall(head(own.api_key, 10_000_000) + bytes(2_000_000))
        until(lambda: list((own.data / "incoming").glob("upload-*")))
    until(lambda: footprint(own) == before)


@pytest.mark.parametrize(
    ("column", "value", "status", "code", "says"),
    [
        ("monthly_seconds", 1, 402, "quota_monthly_seconds", "resets on"),
        ("recording_seconds", 60, 422, "quota_recording_seconds", "1 min"),
        ("stored_bytes", 10, 402, "quota_stored_bytes", "Delete"),
    ],
)
def test_over_a_quota_nothing_is_kept(
    own: Stack, http: httpx.Client, minutes: Path, column: str, value: int, status: int, code: str, says: str
) -> None:
    before = footprint(own)
    with limited(own, column, value), minutes.open("rb") as file:
        answer = http.post("/api/v1/recordings", files={"file": file})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert says in answer.json()["detail"]
    until(lambda: footprint(own) == before)


def port_of(stack: Stack) -> int:
    return int(stack.url.rsplit(":", 1)[1])


def head(key: str, length: int | None) -> bytes:
    """The beginning of an upload; chunked where no length is given."""
    size = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    lines = f"POST /api/v1/recordings HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n{size}\r\n"
    start = f"{lines}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode()
    return start + (part if length is not None else b"%x\r\n%s\r\n" % (len(part), part))


def send_forever(line: socket.socket, key: str) -> int:
    """Sends an endless body until the server has answered; how many bytes it took."""
    sent, piece = 0, bytes(65_536)
    line.sendall(head(key, None))
    line.settimeout(0.05)
    while sent < 64_000_000:
        try:
            if line.recv(1, socket.MSG_PEEK):
                break
        except TimeoutError:
            pass
        try:
            line.settimeout(10)
            line.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        except OSError:
            break
        line.settimeout(0.001)
        sent += len(piece)
    line.settimeout(10)
    return sent
