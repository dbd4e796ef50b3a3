"""Recognises the speakers of a recording by reference voices, and by voices that people have enrolled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transcription.diarization.analysis import ACTIVE, HOP_SAMPLES, Findings, read_checkpoint
from transcription.diarization.process import DiarizationProcess
from transcription.diarization.sessions import FRAME_SECONDS, VOICE_SAMPLES, WINDOW_SAMPLES, Networks
from transcription.diarization.types import SAMPLE_RATE, Diarization, DiarizationError, SpeakerCount

Voice = NDArray[np.float32]
"""A voice's embedding, shape (192,), of length 1."""

LEAST_SPEECH_SECONDS = 1.0
SAME_VOICE = 0.5
"""The cosine of two means of voices above which they are one person's."""

RECOGNISED = 0.5
"""The cosine above which a speaker is somebody who is enrolled."""

MARGIN = 0.15
"""By how much the next one of those enrolled must be less alike."""

RECOGNISED_SECONDS = 4.0
"""Whoever speaks less is not recognised."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was heard in a few seconds of somebody's speech: how long all speakers spoke, and how long the one who
    spoke most, whose voice it is.
    """

    voice: Voice
    seconds: float
    most: float


def embed(weights: Path, samples: NDArray[np.int16] | NDArray[np.float32]) -> Voice:
    """Returns the voice in samples at 16 kHz, mono, 2 to 10 s; float32 within [-1, 1].

    Raises DiarizationError where it is too short or nobody speaks.
    """
    sound = samples.astype(np.float32) * np.float32(2**-15 if samples.dtype == np.int16 else 1)
    if sound.ndim != 1 or len(sound) < VOICE_SAMPLES or not np.isfinite(sound).all():
        raise DiarizationError("a reference voice is mono sound of 2 to 10 seconds")
    networks = Networks(weights)
    sound = sound[:WINDOW_SAMPLES]
    window = np.pad(sound, (0, WINDOW_SAMPLES - len(sound)))
    speech: NDArray[np.bool_] = ACTIVE[networks.classes(window)].max(axis=1) > 0
    if speech.sum() * FRAME_SECONDS < LEAST_SPEECH_SECONDS:
        raise DiarizationError("nobody speaks in the reference voice for a second")
    starts = range(0, len(sound) - VOICE_SAMPLES + 1, HOP_SAMPLES)
    frames = round(VOICE_SAMPLES / SAMPLE_RATE / FRAME_SECONDS)
    spoken = [int(speech[(at := round(start / SAMPLE_RATE / FRAME_SECONDS)) : at + frames].sum()) for start in starts]
    voices = networks.embeddings([sound[start : start + VOICE_SAMPLES] for start in starts])
    return _mean(voices[np.array(spoken) >= max(spoken) / 2])


def listen(weights: Path, samples: NDArray[np.int16]) -> Sample:
    """Returns what is heard in samples at 16 kHz, mono, of some seconds, by a process of its own.

    Where nobody speaks the seconds are 0. Raises DiarizationError.
    """
    with DiarizationProcess(weights, SpeakerCount(), 1) as process:
        process.write(samples)
        found = process.finish()
        findings = _findings(process.new_checkpoints())
    seconds = {speaker: seconds_of(found, speaker) for speaker in found.speakers}
    if not seconds or not findings.voices:
        return Sample(np.zeros(192, np.float32), 0.0, 0.0)
    speaker = max(seconds, key=lambda each: seconds[each])
    return Sample(_voice_of(speaker, found, findings), sum(seconds.values()), seconds[speaker])


def together(voices: Sequence[Voice]) -> Voice:
    """Returns the one voice of several samples of it."""
    return _mean(np.array(voices, np.float32))


def name_speakers(
    diarization: Diarization, checkpoints: Sequence[bytes], references: Sequence[Voice]
) -> dict[int, int]:
    """Returns which reference each speaker is, as {speaker: index in references}; no reference is given twice, and a
    speaker like none of them is left out.

    checkpoints: all of the recording's.
    """
    return _matched(likeness(diarization, checkpoints, references), SAME_VOICE)


def recognise(diarization: Diarization, checkpoints: Sequence[bytes], enrolled: Sequence[Voice]) -> dict[int, int]:
    """Returns which of the enrolled voices each speaker is, as `name_speakers` does, where there is little doubt.

    Whoever speaks for less than RECOGNISED_SECONDS, or is about as much like somebody else, is left out.
    """
    alike = likeness(diarization, checkpoints, enrolled)
    clear = {
        speaker: row
        for speaker, row in alike.items()
        if seconds_of(diarization, speaker) >= RECOGNISED_SECONDS and leads(row) >= MARGIN
    }
    return _matched(clear, RECOGNISED)


def likeness(
    diarization: Diarization, checkpoints: Sequence[bytes], voices: Sequence[Voice]
) -> dict[int, NDArray[np.float32]]:
    """Returns the cosines of each speaker's voice with these voices."""
    found, every = _findings(checkpoints), np.array(voices, np.float32).reshape(-1, 192)
    return {speaker: every @ _voice_of(speaker, diarization, found) for speaker in diarization.speakers}


def leads(row: NDArray[np.float32]) -> float:
    """Returns by how much the greatest is greater than the next."""
    first, second = sorted([-1.0, -1.0, *map(float, row)], reverse=True)[:2]
    return first - second


def _matched(alike: dict[int, NDArray[np.float32]], least: float) -> dict[int, int]:
    """Returns pairs, the most alike first, of which none is less alike than `least`."""
    pairs = [(float(cosine), speaker, index) for speaker, row in alike.items() for index, cosine in enumerate(row)]
    named: dict[int, int] = {}
    for cosine, speaker, index in sorted(pairs, reverse=True):
        if cosine >= least and speaker not in named and index not in named.values():
            named[speaker] = index
    return named


def _findings(checkpoints: Sequence[bytes]) -> Findings:
    """Raises DiarizationError."""
    found = Findings()
    for checkpoint in checkpoints:
        read_checkpoint(checkpoint, found)
    return found


def seconds_of(diarization: Diarization, speaker: int) -> float:
    return sum(turn.end - turn.start for turn in diarization.turns if turn.speaker == speaker)


def _voice_of(speaker: int, diarization: Diarization, found: Findings) -> Voice:
    """Returns the mean of the voices in whose windows the speaker speaks mostly; zeros where there is none."""
    turns = [(turn.start, turn.end) for turn in diarization.turns if turn.speaker == speaker]
    length = VOICE_SAMPLES / SAMPLE_RATE
    shares = []
    for place in found.places:
        start = place * HOP_SAMPLES / SAMPLE_RATE
        shares.append(sum(max(0.0, min(end, start + length) - max(begin, start)) for begin, end in turns))
    if not shares or max(shares) <= 0:
        return np.zeros(192, np.float32)
    chosen = np.array(shares) >= min(max(shares), length / 2)
    return _mean(np.array(found.voices, np.float32)[chosen])


def _mean(voices: NDArray[np.float32]) -> Voice:
    mean = voices.mean(axis=0)
    voice: Voice = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return voice
