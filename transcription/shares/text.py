"""The text that a link gives. Nobody else reads a text for a link, so that what is left out is left out here."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from transcription.exports import WRITERS, Export, Layout, file_name_of, names_of, webvtt
from transcription.models import LATEST_FIRST, MAIN, Recording, Segment, Speaker, Status, Transcription
from transcription.options.speakers import OFF
from transcription.segments.word_places import placed_words
from transcription.shares.models import Share
from transcription.strikes import MASK, redacted
from transcription.strikes.spans import within

SLACK = 0.005
"""Seconds: times are typed and sent with two or three digits."""


@dataclass(frozen=True)
class SharedText:
    """A text as a link gives it: `row` and `segments` are copies, with times from the excerpt's first second on.

    Nobody's name but the speakers' is in them, nothing of the options, no text outside of the excerpt, and
    nothing that is struck.
    """

    row: Transcription
    segments: list[Segment]
    speakers: dict[int | None, Speaker]
    places: list[int | None]
    """Of each segment, its index in the transcript; None where the link gives only a part of it."""

    def rendered(self, format: str) -> Export:
        """Returns it as a file. Raises KeyError for an unknown format."""
        content_type, write = WRITERS[format]
        return Export(content_type, write(self.row, self.segments), file_name_of(self.row, format))

    def captions(self, layout: Layout) -> str:
        """Returns it as WebVTT."""
        return webvtt(self.segments, layout, names=names_of(self.row))


def text_of(share: Share) -> SharedText | None:
    """Returns the newest text of the recording as it is now, corrections and all; None where there is none.

    It takes three queries, however long it is.
    """
    row = newest(share)
    if row is None:
        return None
    found = list(_cut(redacted(row), share.excerpt))
    segments = [segment for _place, segment in found]
    return SharedText(
        _plain(row, share, segments), segments, _speakers(row, segments), [place for place, _one in found]
    )


def newest(share: Share) -> Transcription | None:
    """Returns the transcription whose text a link gives, with its recording."""
    rows = Transcription.objects.filter(MAIN, recording=share.recording_id, status=Status.COMPLETED)
    return rows.filter(text_deleted_at=None).select_related("recording").order_by(*LATEST_FIRST).first()


def struck_state(share: Share) -> str:
    """Returns what differs where something else of what a link gives is struck."""
    spans = within(share.recording.struck, *(share.excerpt or (0.0, float("inf"))))
    return hashlib.sha256(repr(spans).encode()).hexdigest()[:16]


def plain_recording(share: Share) -> Recording:
    """Returns a copy of the recording that says no more than the link gives."""
    recording = copy.copy(share.recording)
    recording.audio_tracks = []
    if share.excerpt:
        start, end = share.excerpt
        recording.duration_seconds = end - start
    return recording


def _speakers(row: Transcription, segments: list[Segment]) -> dict[int | None, Speaker]:
    if row.speakers == OFF:
        return {}
    heard = {segment.speaker for segment in segments}
    return {speaker.index: speaker for speaker in row.speaker_set.all() if speaker.index in heard}


def _plain(row: Transcription, share: Share, segments: list[Segment]) -> Transcription:
    """Returns a copy for the writers of files that says no more than the link gives."""
    plain = copy.copy(row)
    plain.text = "".join(segment.text for segment in segments).strip()
    plain.checked, plain.warnings, plain.prompt, plain.hotwords = {}, [], "", ""
    plain.recording = plain_recording(share)
    return plain


def _cut(segments: Iterable[Segment], excerpt: tuple[float, float] | None) -> Iterator[tuple[int | None, Segment]]:
    """Yields copies of what lies in an excerpt, counted from 0 on, each with the index that it had if it is whole."""
    if excerpt is None:
        yield from ((_place(segment, excerpt), _bare(copy.copy(segment))) for segment in segments)
        return
    inside = ((_place(segment, excerpt), found) for segment in segments if (found := _within(segment, *excerpt)))
    for index, (place, found) in enumerate(inside):
        found.index, found.seek = index, 0
        yield place, _bare(found)


def _place(segment: Segment, excerpt: tuple[float, float] | None) -> int | None:
    return None if MASK in segment.text or _is_partial(segment, excerpt) else segment.index


def _is_partial(segment: Segment, excerpt: tuple[float, float] | None) -> bool:
    return excerpt is not None and (segment.start < excerpt[0] - SLACK or segment.end > excerpt[1] + SLACK)


def _bare(segment: Segment) -> Segment:
    """Takes from a copy what has the text once more, or says who checked it."""
    segment.tokens, segment.checks = [], []
    return segment


def _within(segment: Segment, start: float, end: float) -> Segment | None:
    """Returns what of a segment lies in an excerpt; None for nothing.

    Of a segment that lies in it only partly those words are given whose times lie in it: none without times of words.
    """
    if segment.end <= start or segment.start >= end:
        return None
    found = copy.copy(segment)
    if _is_partial(segment, (start, end)):
        found.text, found.words = _words_within(segment, start, end)
    if not found.text.strip():
        return None
    found.start, found.end = max(0.0, segment.start - start), min(segment.end, end) - start
    found.words = [word | {name: max(0.0, word[name] - start) for name in ("start", "end")} for word in found.words]
    return found


def _words_within(segment: Segment, start: float, end: float) -> tuple[str, list[dict[str, object]]]:
    """Returns the text of the words in an excerpt, and the words. What stands between two of them that follow one
    another comes along: it was written there by somebody, without a time of its own.
    """
    text, parts, words = segment.text.strip(), list[list[int]](), []
    was_in = False
    for first, last, word in placed_words(segment):
        is_in = word["start"] >= start - SLACK and word["end"] <= end + SLACK
        if is_in:
            if was_in:
                parts[-1][1] = last
            else:
                parts.append([first, last])
            words.append(word)
        was_in = is_in
    shown = " ".join(text[first:last] for first, last in parts)
    return (f" {shown}" if shown else ""), words
