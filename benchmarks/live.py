"""How soon words of live text are there: `python -m benchmarks.live [SPEAKERS…] [--language CODE] [--model NAME]`.

1, 4 and 16 speakers of English on base unless given; in scripts without spaces a character is a word.

Starts the product as `make run` does, and streams speech to realtime transcription sessions as it would be spoken,
each speaker's from another place of the clips (`SPEECH`, as in benchmarks.speech). A word's latency is the time from
its end in the sound, as the product times it in the same file, to the event that has it: firm in a delta, or shown
for the first time, in a delta or in a partial. Words that the live text has otherwise are not counted; how many are
counted is printed, as are the word error rate beside that of the file, and the processor's time.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import re
import tempfile
import time
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import httpx
import jiwer
import numpy as np
import psutil
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.speech import Clip, clips, long_recording, pcm
from benchmarks.table import machine, print_table
from tests.stack import Stack, start, stop
from transcription.scripts import UNSPACED

SECONDS = 60.0
PIECE_SECONDS = 0.1
KIND = "conversation.item.input_audio_transcription."
INPUT = {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": {"type": "server_vad"}}
PARTIALS = ["item.input_audio_transcription.partial"]
WORD = re.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}])[\w'])+")
SILENCE = bytes(2 * 24_000 * 2)


@dataclass
class Speaker:
    """What is said, when each word ends, and when live text had it."""

    recording: Clip
    heard_as: dict[str, str]
    words: list[tuple[str, float]]
    file_text: str
    texts: dict[str, str] = field(default_factory=dict)
    firm: list[tuple[str, float]] = field(default_factory=list)
    shown: list[tuple[str, float]] = field(default_factory=list)
    lag: float = 0.0


def plain(text: str) -> list[str]:
    return WORD.findall(text.lower())


def speaker_of(stack: Stack, recording: Clip, heard_as: dict[str, str]) -> Speaker:
    """Has the file transcribed, with its words' times."""
    form = heard_as | {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
    with recording.path.open("rb") as file:
        files = {"file": file}
        answer = httpx.post(
            f"{stack.url}/v1/audio/transcriptions", headers=stack.bearer, data=form, files=files, timeout=600
        )
    body = answer.raise_for_status().json()
    timed = [(word, entry["end"]) for entry in body["words"] for word in plain(entry["word"])]
    return Speaker(recording, heard_as, timed, body["text"])


async def speak(stack: Stack, speaker: Speaker, begin: float) -> None:
    """Streams the recording in real time, from the moment `begin`, and listens until all turns have their text."""
    address = f"{stack.url.replace('http', 'ws', 1)}/v1/realtime?intent=transcription"
    async with connect(address, additional_headers=stack.bearer, max_size=None) as socket:
        input = INPUT | {"transcription": speaker.heard_as}
        session = {"type": "transcription", "audio": {"input": input}, "include": PARTIALS}
        await socket.send(json.dumps({"type": "session.update", "session": session}))
        listening = asyncio.create_task(listen(socket, speaker, begin))
        sound, size = await asyncio.to_thread(_at_24_khz, speaker.recording), round(PIECE_SECONDS * 24_000) * 2
        sound += SILENCE
        for number, at in enumerate(range(0, len(sound), size), 1):
            await asyncio.sleep(begin + number * PIECE_SECONDS - time.monotonic())
            piece = base64.b64encode(sound[at : at + size]).decode()
            await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": piece}))
        await socket.send(json.dumps({"type": "input_audio_buffer.commit"}))
        await listening


async def listen(socket: ClientConnection, speaker: Speaker, begin: float) -> None:
    open_turns: set[str] = set()
    is_over = False
    async for message in socket:
        event: dict[str, Any] = json.loads(message)
        now, item = time.monotonic() - begin, event.get("item_id", "")
        match event["type"].removeprefix(KIND):
            case "delta":
                speaker.texts[item] = speaker.texts.get(item, "") + event["delta"]
                _note(speaker.firm, speaker.texts, "", now)
                _note(speaker.shown, speaker.texts, "", now)
            case "partial":
                _note(speaker.shown, speaker.texts, event["partial"], now)
            case "input_audio_buffer.lag":
                speaker.lag = max(speaker.lag, event["lag_seconds"])
            case "input_audio_buffer.speech_started":
                open_turns.add(item)
            case "completed" | "failed":
                open_turns.discard(item)
            case "error":  # nothing was left to commit after the silence
                is_over = True
        if is_over and not open_turns:
            return


def _note(seen: list[tuple[str, float]], texts: dict[str, str], partial: str, now: float) -> None:
    """Gives words that were not there before the time `now`. Words that are gone, or others now, lose theirs."""
    words = plain("".join(texts.values()) + partial)
    pairs = enumerate(zip(seen, words, strict=False))
    same = next((at for at, (a, b) in pairs if a[0] != b), min(len(seen), len(words)))
    seen[same:] = [(word, now) for word in words[same:]]


def latencies(speaker: Speaker, seen: list[tuple[str, float]]) -> list[float]:
    """Returns the seconds from the end of each word that both have to the event that had it."""
    spoken, heard = ([word for word, _time in words] for words in (speaker.words, seen))
    matcher = SequenceMatcher(None, spoken, heard, autojunk=False)
    return [
        seen[block.b + at][1] - speaker.words[block.a + at][1]
        for block in matcher.get_matching_blocks()
        for at in range(block.size)
    ]


def measure(stack: Stack, spoken: list[Clip], count: int, folder: Path, heard_as: dict[str, str]) -> list[str]:
    """Returns a line of the table."""
    speakers = []
    for number in range(count):
        turned = spoken[number % len(spoken) :] + spoken[: number % len(spoken)]
        recording = long_recording(turned, SECONDS, folder / f"{count}-{number}.wav")
        speakers.append(speaker_of(stack, recording, heard_as))
    before = _processor_seconds(stack)
    asyncio.run(_all(stack, speakers))
    used = _processor_seconds(stack) - before
    sound = sum(speaker.recording.seconds for speaker in speakers)
    firm = [value for speaker in speakers for value in latencies(speaker, speaker.firm)]
    shown = [value for speaker in speakers for value in latencies(speaker, speaker.shown)]
    references = [" ".join(plain(speaker.recording.text)) for speaker in speakers]
    live = jiwer.wer(references, [" ".join(plain("".join(speaker.texts.values()))) for speaker in speakers])
    file = jiwer.wer(references, [" ".join(plain(speaker.file_text)) for speaker in speakers])
    return [
        str(count),
        *(f"{np.percentile(values, share):.1f} s" for values in (shown, firm) for share in (50, 95)),
        f"{len(firm) / sum(len(speaker.words) for speaker in speakers):.0%}",
        f"{max(speaker.lag for speaker in speakers):.1f} s",
        f"{live:.1%} / {file:.1%}",
        f"{used / sound:.2f} s",
    ]


async def _all(stack: Stack, speakers: list[Speaker]) -> None:
    begin = time.monotonic() + 2.0
    await asyncio.gather(*(speak(stack, speaker, begin) for speaker in speakers))


def _at_24_khz(recording: Clip) -> bytes:
    """The recording's sound with half as many samples again, by lines between them: nothing is above 8 kHz."""
    samples = np.frombuffer(pcm(recording.path), dtype="<i2").astype(np.float64)
    places = np.arange(len(samples) * 3 // 2) * 2 / 3
    return np.interp(places, np.arange(len(samples)), samples).astype("<i2").tobytes()


def _processor_seconds(stack: Stack) -> float:
    total = 0.0
    for process in psutil.Process(stack.process.pid).children(recursive=True):
        try:
            times = process.cpu_times()
            total += times.user + times.system
        except psutil.Error:
            continue
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("speakers", type=int, nargs="*", default=[1, 4, 16])
    parser.add_argument("--language", default="en")
    parser.add_argument("--model", default="base")
    wanted = parser.parse_args()
    counts, heard_as = wanted.speakers, {"model": wanted.model, "language": wanted.language}
    print(machine())
    head = [
        "speakers",
        "shown p50",
        "p95",
        "firm p50",
        "p95",
        "words counted",
        "most lag",
        "WER live / file",
        "CPU a second",
    ]
    with tempfile.TemporaryDirectory(prefix="wp-bench-") as folder:
        models = ",".join(dict.fromkeys(["base", wanted.model]))
        stack = start(Path(folder), QUOTA_CONCURRENT=str(max(counts)), WHISPER_MODELS=models)
        try:
            spoken = clips(wanted.language)
            rows = [measure(stack, spoken, count, Path(folder), heard_as) for count in counts]
        finally:
            stop(stack)
    title = f"Latency of words, {SECONDS:.0f} s for each speaker, {wanted.model} on the CPU, {wanted.language}"
    print_table(title, head, rows)


if __name__ == "__main__":
    main()
