"""Recognises the speakers of a recording by reference voices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transcription.diarization.analysis import ACTIVE, HOP_SAMPLES, Findings, read_checkpoint
from transcription.diarization.sessions import FRAME_SECONDS, VOICE_SAMPLES, WINDOW_SAMPLES, Networks
from transcription.diarization.types import SAMPLE_RATE, Diarization, DiarizationError

Voice = NDArray[np.float32]
"""A voice's embedding, shape (192,), of length 1."""

LEAST_SPEECH_SECONDS = 1.0
SAME_VOICE = 0.5
"""The cosine of two means of voices above which they are one person's."""


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


def name_speakers(
    diarization: Diarization, checkpoints: Sequence[bytes], references: Sequence[Voice]
) -> dict[int, int]:
    """Returns which reference each speaker is, as {speaker: index in references}; no reference is given twice, and a
    speaker like none of them is left out.

    checkpoints: all of the recording's.
    """
    found = Findings()
    for checkpoint in checkpoints:
        read_checkpoint(checkpoint, found)
    pairs = [
        (float(_voice_of(speaker, diarization, found) @ reference), speaker, index)
        for speaker in diarization.speakers
        for index, reference in enumerate(references)
    ]
    named: dict[int, int] = {}
    for likeness, speaker, index in sorted(pairs, reverse=True):
        if likeness >= SAME_VOICE and speaker not in named and index not in named.values():
            named[speaker] = index
    return named


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
