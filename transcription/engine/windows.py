"""Cutting a recording into windows, as its samples arrive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from transcription.engine.cutter import Cutter
from transcription.engine.types import SAMPLE_RATE, WINDOW_SAMPLES, Span, Window
from transcription.engine.unspoken import UnspokenFinder, long_ones, unspoken, within
from transcription.engine.vad import BLOCK_FRAMES, FRAME_SAMPLES, VoiceDetector

WINDOW_BYTES = 2 * WINDOW_SAMPLES

Samples = NDArray[np.int16]


def fast_windows(pcm: Iterable[bytes], start: float = 0.0, skip_non_speech: bool = True) -> Iterator[Window]:
    """Cut a recording at its silences into windows of at most 30 s.

    pcm: the recording from its beginning as mono s16le at 16 kHz, in chunks of any size.
    start: the end, in seconds, of the last window that is already done: the windows after
        it are yielded, with the very index and samples they would have had without `start`.
        Within a window, its second part is.

    skip_non_speech: each window says where surely nobody speaks.

    A recording of up to 30 s is one window, or as many as long stretches without speech leave
    of it; without `skip_non_speech` one, silence and all. In a longer one long silences belong
    to no window. Holds about a minute of audio, however long the recording.
    """
    chunks = iter(pcm)
    opening = _read_opening(chunks)
    short = len(opening) <= WINDOW_BYTES
    windows = _short(opening, skip_non_speech) if short else _cut(chain([opening], chunks), skip_non_speech)
    # Half a sample of tolerance: `start` may have been through a database.
    return (_from(window, start) for window in windows if window.end > start + 0.5 / SAMPLE_RATE)


def _from(window: Window, start: float) -> Window:
    """What of a window is not done yet: all, unless `start` is from a time when recordings were cut otherwise."""
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
    end = len(samples) / SAMPLE_RATE
    stretches: tuple[Span, ...] = ()
    if skip_non_speech:
        finder = UnspokenFinder()
        finder.feed(samples)
        stretches = finder.stretches()
    edges = [0.0, *chain.from_iterable(long_ones(stretches, end)), end]
    spoken = [(start, until) for start, until in zip(edges[::2], edges[1::2], strict=True) if start < until]
    for index, (start, until) in enumerate(spoken):
        part = samples[round(start * SAMPLE_RATE) : round(until * SAMPLE_RATE)]
        yield Window(index, start, until, part, unspoken=within(stretches, start, until))


def _cut(chunks: Iterable[bytes], skip_non_speech: bool) -> Iterator[Window]:
    detector, cutter = VoiceDetector(), Cutter()
    held: Samples = np.zeros(0, dtype=np.int16)
    voice = np.zeros(0, dtype=np.float32)
    offset = 0
    index = 0
    for block, last in _blocks(chunks, BLOCK_FRAMES * FRAME_SAMPLES):
        held = np.concatenate([held, block])
        probabilities = detector.probabilities(whole_frames(block, FRAME_SAMPLES))
        voice = np.concatenate([voice, probabilities])
        stretches = chain(cutter.feed(probabilities), cutter.finish() if last else ())
        for stretch in stretches:
            begin, end = stretch.start * FRAME_SAMPLES, stretch.end * FRAME_SAMPLES
            samples = held[begin - offset : end - offset].copy()
            own = voice[stretch.start - offset // FRAME_SAMPLES : stretch.end - offset // FRAME_SAMPLES]
            silent = unspoken(own, begin / SAMPLE_RATE) if skip_non_speech else ()
            yield Window(index, begin / SAMPLE_RATE, (begin + len(samples)) / SAMPLE_RATE, samples, unspoken=silent)
            index += 1
        held = held[cutter.first * FRAME_SAMPLES - offset :]
        voice = voice[cutter.first - offset // FRAME_SAMPLES :]
        offset = cutter.first * FRAME_SAMPLES


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
    """The samples, with silence up to the next whole frame."""
    return np.pad(samples, (0, -len(samples) % frame))
