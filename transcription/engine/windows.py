"""Cutting a recording into windows, as its samples arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from transcription.engine.cutter import MAX_FRAMES, Cutter, Stretch
from transcription.engine.non_speech import (
    LONG_SECONDS,
    PADDING,
    QUIET,
    NonSpeechFinder,
    Silences,
    loudness,
    overlapping,
)
from transcription.engine.types import SAMPLE_RATE, WINDOW_SAMPLES, Window
from transcription.engine.vad import BLOCK_FRAMES, FRAME_SAMPLES, VoiceDetector
from transcription.engine.voice import voice_in

WINDOW_BYTES = 2 * WINDOW_SAMPLES

Samples = NDArray[np.int16]


def fast_windows(pcm: Iterable[bytes], start: float = 0.0, skip_non_speech: bool = True) -> Iterator[Window]:
    """Cuts a recording at its silences into windows of at most 30 s.

    pcm: the recording from its beginning as mono s16le at 16 kHz, in chunks of any size.
    start: the end, in seconds, of the last window that is already done: the windows after
        it are yielded, with the very index and samples they would have had without `start`.
        Within a window, its second part is.

    skip_non_speech: each window says where no voice is heard.

    A recording of up to 30 s is one window, or as many as long stretches without a voice leave
    of it, and those themselves where they are loud; without `skip_non_speech` one, silence and
    all. In a longer one long silences belong to no window, and loud ones to windows of their own.
    Holds about a minute of audio, however long the recording.
    """
    chunks = iter(pcm)
    opening = _read_opening(chunks)
    short = len(opening) <= WINDOW_BYTES
    windows = _short(opening, skip_non_speech) if short else _cut(chain([opening], chunks), skip_non_speech)
    # Half a sample of tolerance: `start` may have been through a database.
    return (_from(window, start) for window in windows if window.end > start + 0.5 / SAMPLE_RATE)


def _from(window: Window, start: float) -> Window:
    """Returns what of a window is not done: all, unless `start` is from a time when recordings were cut otherwise."""
    done = round((start - window.start) * SAMPLE_RATE)
    return window if done <= 0 else replace(window, start=start, samples=window.samples[done:])


def _read_opening(chunks: Iterator[bytes]) -> bytes:
    """Bytes until it is clear whether the recording fits into one window."""
    opening = bytearray()
    for chunk in chunks:
        opening += chunk
        if len(opening) > WINDOW_BYTES:
            break
    return bytes(opening)


def _short(pcm: bytes, skip_non_speech: bool) -> Iterator[Window]:
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2")
    end, finder = len(samples) / SAMPLE_RATE, NonSpeechFinder()
    finder.feed(samples)
    found, voice = finder.silences(end) if skip_non_speech else Silences(), voice_in(finder.probabilities)
    edges = [0.0, *chain.from_iterable(sorted(found.passed + found.doubted)), end]
    parts = [*zip(edges[::2], edges[1::2], strict=True), *((start, min(until, end)) for start, until in found.doubted)]
    for index, (start, until) in enumerate(sorted((a, b) for a, b in parts if a < b)):
        part = samples[round(start * SAMPLE_RATE) : round(until * SAMPLE_RATE)]
        silent = overlapping(found.non_speech, start, until)
        yield Window(index, start, until, part, non_speech=silent, voice=voice.within(start, until))


def _cut(chunks: Iterable[bytes], skip_non_speech: bool) -> Iterator[Window]:
    detector, cutter = VoiceDetector(), Cutter()
    held: Samples = np.zeros(0, dtype=np.int16)
    voice = np.zeros(0, dtype=np.float32)
    first = done = index = 0  # the frames from which on sound is held, and is in no window yet
    for block, last in _blocks(chunks, BLOCK_FRAMES * FRAME_SAMPLES):
        held = np.concatenate([held, block])
        probabilities = detector.probabilities(whole_frames(block, FRAME_SAMPLES))
        voice = np.concatenate([voice, probabilities])
        spoken = [*cutter.feed(probabilities), *(cutter.finish() if last else ())]
        reached = spoken[-1].end if spoken else done
        end = first + len(voice) if last else cutter.first - (cutter.first - reached) % MAX_FRAMES
        for part in _with_gaps(spoken, done, end):
            samples = held[(part.start - first) * FRAME_SAMPLES : (part.end - first) * FRAME_SAMPLES].copy()
            start = part.start * FRAME_SAMPLES / SAMPLE_RATE
            heard = voice_in(voice[part.start - first : part.end - first], start)
            window = Window(index, start, start + len(samples) / SAMPLE_RATE, samples, voice=heard)
            if skip_non_speech:
                window = _with_silences(window, part in spoken)
            if part in spoken or window.is_doubted:
                yield window
                index += 1
            done = part.end
        kept = done if skip_non_speech else cutter.first
        held, voice = held[(kept - first) * FRAME_SAMPLES :], voice[kept - first :]
        first = done = kept


def _with_gaps(spoken: Sequence[Stretch], done: int, end: int) -> Iterator[Stretch]:
    """Yields the stretches, and what lies between them and before `end`, in parts that a window can hold."""
    for stretch in (*spoken, Stretch(end, end)):
        yield from (Stretch(at, min(at + MAX_FRAMES, stretch.start)) for at in range(done, stretch.start, MAX_FRAMES))
        if stretch.end > stretch.start:
            yield stretch
        done = stretch.end


def _with_silences(window: Window, is_spoken: bool) -> Window:
    """Adds the quiet stretches of a window in which somebody speaks, or all of another that is long and loud."""
    loud = loudness(whole_frames(window.samples, FRAME_SAMPLES)) > QUIET
    if not is_spoken:
        # Near the edges it may be the sound of the speech beside it.
        is_worth = window.end - window.start >= LONG_SECONDS and loud[PADDING:-PADDING].any()
        return replace(window, non_speech=((window.start, window.end),) if is_worth else ())
    spans = window.voice.non_speech
    frames = [[round((at - window.start) * SAMPLE_RATE / FRAME_SAMPLES) for at in span] for span in spans]
    quiet = [span for span, (a, b) in zip(spans, frames, strict=True) if not loud[a:b].any()]
    return replace(window, non_speech=tuple(quiet))


def _blocks(chunks: Iterable[bytes], size: int) -> Iterator[tuple[Samples, bool]]:
    """Blocks of `size` samples, each with whether it is the last (which may be shorter)."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        # One byte more than a block must be there, or the block could be the last.
        while len(held) > 2 * size + 1:
            yield np.frombuffer(bytes(held[: 2 * size]), dtype="<i2"), False
            del held[: 2 * size]
    yield np.frombuffer(bytes(held[: len(held) // 2 * 2]), dtype="<i2"), True


def whole_frames(samples: Samples, frame: int) -> Samples:
    """Returns the samples, with silence up to the next whole frame."""
    return np.pad(samples, (0, -len(samples) % frame))
