"""Joins what the two networks found: the segmentation says when how many speak, the voices say who."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from transcription.diarization.analysis import ACTIVE, HOP_SAMPLES, Findings, frame_of
from transcription.diarization.channels import by_channel
from transcription.diarization.clustering import cluster
from transcription.diarization.sessions import FRAME_SECONDS, FRAMES, VOICE_SAMPLES
from transcription.diarization.types import SAMPLE_RATE, Diarization, SpeakerCount, Turn

Array = NDArray[np.float32]

CLEAR_SPEECH, MOST_OVERLAP = 0.7, 0.5
"""Seconds of speech, and the share of it with several speakers, for which a voice takes part in the clustering."""

TELEPHONE_DB = 35.0
DISAGREES = 0.15
DISAGREES_SECONDS = 0.5
"""By how much, and for how long, the voice must be nearer to another speaker to be believed."""

VOICE_FRAMES = round(VOICE_SAMPLES / SAMPLE_RATE / FRAME_SECONDS)
SHORTEST_TURN = 0.1
LONGEST_GAP = 0.25
"""Seconds: what is shorter is dropped, and filled."""


def diarize(found: Findings, count: SpeakerCount, seconds: float) -> Diarization:
    """Returns who speaks when. seconds: the recording's length."""
    active = np.rint(found.counts()).astype(np.int64)
    if found.levels and found.levels[0].shape[1] == 2 and count.minimum <= 2 <= count.maximum:
        turns = by_channel(found, active > 0)
        if turns is not None:
            return Diarization(_numbered(turns, seconds, renumber=False), True)
    speakers = speakers_of(found, active, count)
    if not len(speakers):
        return Diarization((), False)
    who = _who(found, active, speakers)
    return Diarization(_numbered(_turns(who), seconds), False)


def speakers_of(found: Findings, active: NDArray[np.int64], count: SpeakerCount) -> Array:
    """Returns the speakers' centroids, shape (k, 192); k is 0 where no voice is clear."""
    if not found.voices:
        return np.zeros((0, 192), np.float32)
    begins = place_frames(found)
    speech, overlap = (_sums(active >= least)[:, None] for least in (1, 2))
    ends = np.minimum(begins + VOICE_FRAMES, len(active))
    spoken, crossed = (np.squeeze(sums[ends] - sums[begins], 1) for sums in (speech, overlap))
    clear = (spoken * FRAME_SECONDS >= CLEAR_SPEECH) & (crossed < MOST_OVERLAP * spoken)
    if not clear.any():
        clear[:] = True
    within, above = np.sum(found.bands, axis=0)
    telephone = bool(above < within * 10 ** (-TELEPHONE_DB / 10))
    return cluster(voices_of(found)[clear], count, telephone)


def place_frames(found: Findings) -> NDArray[np.int64]:
    """Returns the first frame of each voice's window."""
    return np.rint(np.array(found.places) * HOP_SAMPLES / SAMPLE_RATE / FRAME_SECONDS).astype(np.int64)


def voices_of(found: Findings) -> Array:
    return np.array(found.voices, np.float32)


def _sums(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(flags)])


def _who(found: Findings, active: NDArray[np.int64], speakers: Array) -> NDArray[np.bool_]:
    """Returns whether each speaker speaks in each frame, shape (frames, k)."""
    likeness = _likeness(found, len(active), speakers)
    scores = np.zeros((len(active), len(speakers)), np.float32)
    for step, classes in enumerate(found.classes):
        begin = frame_of(step)
        tracks = ACTIVE[classes]
        for track, speaker in _matched(tracks, likeness[begin : begin + FRAMES]):
            scores[begin : begin + FRAMES, speaker] += tracks[:, track]
    # Where windows say nothing of who it is, the voice does.
    scores += 0.01 * likeness
    ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1, kind="stable")
    who: NDArray[np.bool_] = ranks < np.minimum(active, len(speakers))[:, None]
    _believe_voices(who, active, likeness)
    return who


def _likeness(found: Findings, frames: int, speakers: Array) -> Array:
    """Returns the mean cosine of each frame's voices with each speaker, shape (frames, k); 0 where there is none."""
    steps = np.zeros((frames + 1, len(speakers) + 1), np.float64)
    cosines = np.hstack([voices_of(found) @ speakers.T, np.ones((len(found.voices), 1), np.float32)])
    begins = place_frames(found)
    np.add.at(steps, np.minimum(begins, frames), cosines)
    np.add.at(steps, np.minimum(begins + VOICE_FRAMES, frames), -cosines)
    sums = np.cumsum(steps[:-1], axis=0)
    likeness: Array = (sums[:, :-1] / np.maximum(np.rint(sums[:, -1:]), 1)).astype(np.float32)
    return likeness


def _matched(tracks: NDArray[np.uint8], likeness: Array) -> list[tuple[int, int]]:
    """Returns which local track is which speaker, such that the sum of their likeness is greatest."""
    alone = tracks.sum(axis=1) == 1
    present = [track for track in range(3) if tracks[:, track].any()]
    if not present:
        return []
    gains = np.zeros((len(present), likeness.shape[1]))
    for row, track in enumerate(present):
        frames = tracks[:, track] > 0
        gains[row] = likeness[frames & alone].sum(axis=0) if (frames & alone).any() else likeness[frames].sum(axis=0)
    present = sorted(range(len(present)), key=lambda row: -gains[row].max())[: likeness.shape[1]]
    order = [track for track in range(3) if tracks[:, track].any()]
    best = max(
        permutations(_candidates(gains[present]), len(present)),
        key=lambda chosen: sum(gains[row, speaker] for row, speaker in zip(present, chosen, strict=True)),
    )
    return [(order[row], speaker) for row, speaker in zip(present, best, strict=True)]


def _candidates(gains: NDArray[np.float64]) -> list[int]:
    """Returns the speakers of which the best match consists: for n tracks, the n best of each."""
    best = np.argsort(-gains, axis=1, kind="stable")[:, : len(gains)]
    return sorted({int(speaker) for speaker in best.ravel()})


def _believe_voices(who: NDArray[np.bool_], active: NDArray[np.int64], likeness: Array) -> None:
    """Changes the speaker where one speaks and the voice is another one's for long enough."""
    said = np.where(who, likeness, -np.inf).max(axis=1)
    other = likeness.argmax(axis=1)
    wrong = (active == 1) & (likeness.max(axis=1) - said > DISAGREES)
    for first, last in runs(wrong):
        if (last - first) * FRAME_SECONDS >= DISAGREES_SECONDS:
            who[first:last] = False
            who[np.arange(first, last), other[first:last]] = True


def runs(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Returns first and last + 1 of each run of true ones, shape (n, 2)."""
    return np.flatnonzero(np.diff(flags, prepend=False, append=False)).reshape(-1, 2)


def _turns(who: NDArray[np.bool_]) -> list[Turn]:
    return [
        Turn(float(first * FRAME_SECONDS), float(last * FRAME_SECONDS), speaker)
        for speaker in range(who.shape[1])
        for first, last in runs(who[:, speaker])
    ]


def _numbered(turns: list[Turn], seconds: float, renumber: bool = True) -> tuple[Turn, ...]:
    """Returns the turns in order, gaps filled, numbered by first appearance, within the recording."""
    joined: list[Turn] = []
    for turn in sorted(turns, key=lambda turn: (turn.speaker, turn.start)):
        last = joined[-1] if joined else None
        if last and last.speaker == turn.speaker and turn.start - last.end <= LONGEST_GAP:
            joined[-1] = Turn(last.start, turn.end, turn.speaker)
        else:
            joined.append(turn)
    whole = [Turn(turn.start, min(turn.end, seconds), turn.speaker) for turn in joined]
    kept = sorted(
        (turn for turn in whole if turn.end - turn.start >= SHORTEST_TURN), key=lambda turn: (turn.start, turn.speaker)
    )
    numbers = {speaker: n for n, speaker in enumerate(dict.fromkeys(turn.speaker for turn in kept))}
    return tuple(
        Turn(round(turn.start, 3), round(turn.end, 3), numbers[turn.speaker] if renumber else turn.speaker)
        for turn in kept
    )
