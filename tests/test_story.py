"""The tour: a recording goes in, its text comes out, and one account pays for it once.

Everything here is the product as `make run` starts it: web, Valkey, RQ workers, the engine with real weights.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.conftest import MakeMedia
from tests.desk import Browser
from tests.stack import Stack


def account(stack: Stack, transcription: str) -> tuple[str, int, list[int]]:
    """What the database says: the reservation's state, what is still reserved, and the charges."""
    key = transcription.replace("-", "")
    with sqlite3.connect(f"file:{stack.data / 'portal.sqlite3'}?mode=ro", uri=True) as database:
        (state, month), *_ = database.execute(
            "select state, month_id from tenants_reservation where transcription_id = ?", (key,)
        )
        (reserved,) = database.execute(
            "select reserved_seconds from tenants_usagemonth where id = ?", (month,)
        ).fetchone()
        charges = database.execute("select seconds from tenants_ledgerentry where transcription_id = ?", (key,))
        return state, reserved, [seconds for (seconds,) in charges]


@pytest.mark.timeout(240)
async def test_a_recording_goes_in_and_its_text_comes_out(stack: Stack, fox: Path, make_media: MakeMedia) -> None:
    pause = make_media("pause.wav", "-i", str(fox), "-af", "apad=whole_dur=15")
    minutes = make_media("会议 记录.mp3", "-stream_loop", "5", "-i", str(pause))  # long enough to watch
    alice = Browser(stack)
    page = await alice.sign_in(stack.credentials["staff_email"], stack.credentials["staff_password"])
    assert page.url.path == "/recordings/"

    made = await alice.upload(minutes)
    messages = await alice.watch(made["transcription"])
    last = messages[-1]
    assert last["status"] == "completed"
    assert last["percent"] == 100
    spoken = " ".join(segment["text"] for segment in last["segments"]).lower()
    assert 1 <= spoken.count("lazy dog") <= 6  # how many Whisper hears differs by ffmpeg's build
    assert any(m["type"] == "progress" and 0 < m["percent"] < 100 and m["segments"] for m in messages)
    numbers = [message["seq"] for message in messages]
    assert numbers == sorted(numbers)

    page = await alice.http.get(made["url"])
    assert "会议 记录.mp3" in page.text
    for extension in ("txt", "srt", "vtt", "json", "tsv"):
        file = await alice.http.get(f"/transcriptions/{made['transcription']}/download.{extension}")
        assert "lazy dog" in file.text.lower()
        assert "attachment" in file.headers["content-disposition"]

    sound = await alice.http.get(f"/recordings/{made['recording']}/media", headers={"Range": "bytes=0-99"})
    assert (sound.status_code, len(sound.content)) == (206, 100)
    picture = (await alice.http.get(f"/recordings/{made['recording']}/peaks.json")).json()
    assert max(picture["peaks"]) > 0.2

    state, reserved, charges = account(stack, made["transcription"])
    assert (state, reserved) == ("settled", 0)
    assert charges == [90]
    await alice.http.aclose()


async def test_a_format_that_browsers_cannot_play_gets_a_copy_that_they_can(
    stack: Stack, fox: Path, make_media: MakeMedia
) -> None:
    alice = Browser(stack)
    await alice.sign_in(stack.credentials["staff_email"], stack.credentials["staff_password"])
    made = await alice.upload(make_media("old.wma", "-i", str(fox)))
    await alice.watch(made["transcription"])
    sound = await alice.http.get(f"/recordings/{made['recording']}/media")
    assert sound.headers["content-type"] == "audio/mp4"
    assert sound.content[4:8] == b"ftyp"
    await alice.http.aclose()
