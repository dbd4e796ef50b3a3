"""What the networks find in a recording, step by step, while it is still being decoded.

Each step of 2.5 s adds a window of segmentation (10 s) and the voices (1.5 s, every 0.75 s) of the speech that no
later window can change. Nothing depends on how the sound arrives, or where an earlier attempt ended.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transcription.diarization.sessions import FRAME_SECONDS, FRAMES, VOICE_SAMPLES, WINDOW_SAMPLES, Networks
from transcription.diarization.types import SAMPLE_RATE, DiarizationError

Array = NDArray[np.float32]

STEP_SAMPLES = 40_000
HOP_SAMPLES = 12_000
LEAST_SPEECH = 0.3
"""Seconds of speech for which a window is embedded."""

ACTIVE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], dtype=np.uint8)
"""Which of the three local speakers each class of the segmentation means."""

LEVEL_SAMPLES = 160
LAG = 80
"""20 ms at 4 kHz: by how much one channel may lag behind the other."""


@dataclass
class Findings:
    """What was found: `classes` (steps, 589); `places` (n,), the windows' numbers, and their `voices` (n, 192) as
    float16; `levels` (steps, 250, channels), the mean power of each 10 ms; `correlation` (steps, 163), the
    channels' cross-correlation and their energies; `bands` (steps, 2), the power of 0.3 to 3.4 kHz, and above 4.2.
    """

    classes: list[NDArray[np.uint8]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    voices: list[NDArray[np.float16]] = field(default_factory=list)
    levels: list[Array] = field(default_factory=list)
    correlation: list[Array] = field(default_factory=list)
    bands: list[Array] = field(default_factory=list)

    def counts(self, first: int = 0) -> NDArray[np.float32]:
        """Returns the mean number of active speakers in each frame from step `first` on, by all windows of it."""
        return mean_over_windows([ACTIVE[each].sum(axis=1) for each in self.classes[first:]])


def frame_of(step: int) -> int:
    """Returns the first frame of a step's window."""
    return round(step * STEP_SAMPLES / SAMPLE_RATE / FRAME_SECONDS)


def mean_over_windows(values: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Returns the mean of what overlapping windows say of each frame."""
    length = frame_of(len(values) - 1) + FRAMES if values else 0
    total, windows = np.zeros(length, np.float32), np.zeros(length, np.float32)
    for step, value in enumerate(values):
        total[frame_of(step) : frame_of(step) + FRAMES] += value
        windows[frame_of(step) : frame_of(step) + FRAMES] += 1
    mean: NDArray[np.float32] = (total / np.maximum(windows, 1)).astype(np.float32)
    return mean


class Analysis:
    """The findings of one recording, which grow with `add`."""

    def __init__(self, networks: Networks, channels: int, checkpoints: Iterable[bytes] = ()) -> None:
        self.findings = Findings()
        self._next_place = 0
        self._networks, self._channels = networks, channels
        for checkpoint in checkpoints:
            self._next_place = read_checkpoint(checkpoint, self.findings)
        self._saved = len(self.findings.classes), len(self.findings.places)
        self._sound = np.zeros((0, channels), np.float32)
        self._dropped = 0
        self.received = 0

    def add(self, samples: Array) -> None:
        """Takes the next samples, shape (n, channels), and analyses what can be analysed."""
        self._sound = np.concatenate([self._sound, samples])
        self.received += len(samples)
        while self._start_of_next() + WINDOW_SAMPLES <= self.received:
            self._step()
        self._forget()

    def end(self) -> None:
        """Analyses the rest, with silence after it."""
        length = self.received
        while self._start_of_next() < length:
            missing = self._start_of_next() + WINDOW_SAMPLES - self._dropped - len(self._sound)
            self._sound = np.concatenate([self._sound, np.zeros((max(missing, 0), self._channels), np.float32)])
            self._step()
        self._embed(length)

    def take_checkpoint(self) -> bytes:
        """Returns what was found since the last one."""
        steps, places = self._saved
        found = self.findings
        self._saved = len(found.classes), len(found.places)
        target = io.BytesIO()
        np.savez_compressed(
            target,
            channels=np.array(self._channels),
            steps=np.array(steps),
            next_place=np.array(self._next_place),
            classes=np.array(found.classes[steps:], np.uint8).reshape(-1, FRAMES),
            places=np.array(found.places[places:], np.int64),
            voices=np.array(found.voices[places:], np.float16).reshape(-1, 192),
            levels=np.array(found.levels[steps:], np.float32),
            correlation=np.array(found.correlation[steps:], np.float32),
            bands=np.array(found.bands[steps:], np.float32),
        )
        return target.getvalue()

    def _start_of_next(self) -> int:
        return len(self.findings.classes) * STEP_SAMPLES

    def _step(self) -> None:
        begin = self._start_of_next() - self._dropped
        window = self._sound[begin : begin + WINDOW_SAMPLES]
        self.findings.classes.append(self._networks.classes(window.mean(axis=1)))
        fresh = window[:STEP_SAMPLES]
        self.findings.levels.append((fresh.reshape(-1, LEVEL_SAMPLES, self._channels) ** 2).mean(axis=1))
        self.findings.bands.append(_bands(fresh.mean(axis=1)))
        self.findings.correlation.append(_correlation(fresh))
        self._embed(self._start_of_next())
        self._forget()

    def _forget(self) -> None:
        """Drops the sound that no step needs any more."""
        needed = min(self._start_of_next(), self._next_place * HOP_SAMPLES) - self._dropped
        dropped = max(0, min(needed, len(self._sound)))
        self._sound = self._sound[dropped:]
        self._dropped += dropped

    def _embed(self, until: int) -> None:
        """Embeds the windows of speech that end before this sample."""
        last = (until - VOICE_SAMPLES) // HOP_SAMPLES
        first_step = max(0, self._next_place * HOP_SAMPLES // STEP_SAMPLES - 4)
        speech = self.findings.counts(first_step) >= 0.5
        frames = round(VOICE_SAMPLES / SAMPLE_RATE / FRAME_SECONDS)
        wanted = []
        for place in range(self._next_place, last + 1):
            begin = round(place * HOP_SAMPLES / SAMPLE_RATE / FRAME_SECONDS) - frame_of(first_step)
            if speech[begin : begin + frames].sum() * FRAME_SECONDS >= LEAST_SPEECH:
                wanted.append(place)
        self._next_place = max(self._next_place, last + 1)
        if wanted:
            starts = [place * HOP_SAMPLES - self._dropped for place in wanted]
            windows = [self._sound[start : start + VOICE_SAMPLES].mean(axis=1) for start in starts]
            self.findings.places += wanted
            self.findings.voices += list(self._networks.embeddings(windows).astype(np.float16))


def read_checkpoint(data: bytes, into: Findings) -> int:
    """Adds a checkpoint to the findings and returns the number of the next voice's window.

    Raises DiarizationError where it is damaged, or not the next one.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            if int(found["steps"]) != len(into.classes):
                raise DiarizationError("a checkpoint is missing")
            into.classes += list(found["classes"])
            into.places += found["places"].tolist()
            into.voices += list(found["voices"])
            into.levels += list(found["levels"])
            into.correlation += list(found["correlation"])
            into.bands += list(found["bands"])
            return int(found["next_place"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DiarizationError(f"a checkpoint can't be read: {error}") from error


def _bands(samples: Array) -> Array:
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    within = power[(hertz >= 300) & (hertz <= 3400)].sum()
    return np.array([within, power[hertz > 4200].sum()], np.float32)


def _correlation(samples: Array) -> Array:
    """Returns sums of products at lags of -20 to 20 ms, at 4 kHz, and both energies; zeros in mono."""
    found = np.zeros(2 * LAG + 3, np.float32)
    if samples.shape[1] == 2:
        left, right = samples.reshape(-1, 4, 2).mean(axis=1).T
        size = 1 << (len(left) + LAG).bit_length()
        product = np.fft.irfft(np.fft.rfft(left, size) * np.conj(np.fft.rfft(right, size)), size)
        found[: 2 * LAG + 1] = np.concatenate([product[-LAG:], product[: LAG + 1]])
        found[-2:] = (left**2).sum(), (right**2).sum()
    return found
