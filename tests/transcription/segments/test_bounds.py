"""Nothing that is saved ends after its recording, begins before it, or lasts no time; and no text is lost for it."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Character
from tests.transcription.characters import submit
from tests.transcription.finishing import serve
from transcription.engine.types import Segment as Heard
from transcription.engine.types import WindowResult, Word
from transcription.errors import InvalidOption
from transcription.exports import render
from transcription.models import Segment, Transcription
from transcription.queue import claims, lifecycle, progress
from transcription.segments.bounds import clamp_segments
from transcription.transcripts import editing
from transcription.transcripts.segment_edits import SegmentEdit
from transcription.worker.window_writer import segments_of

# A busy machine is slow.
calmly = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
MOMENTS = st.one_of(st.floats(-5, 60), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 33.65, 50.9]))
WORDS = st.lists(
    st.builds(lambda start, end: {"word": " fox", "start": start, "end": end}, MOMENTS, MOMENTS), max_size=5
)
SEGMENTS = st.lists(st.builds(Segment, start=MOMENTS, end=MOMENTS, text=st.text(max_size=9), words=WORDS), max_size=9)


def heard(start: float, end: float, text: str = " The fox.", words: tuple[Word, ...] = ()) -> Heard:
    return Heard(start, end, text, (1, 2), 0.0, -0.2, 1.0, 0.0, 0, words)


def window(*segments: Heard, start: float = 0.0, end: float = 30.0) -> WindowResult:
    return WindowResult(0, start, end, "en", 1.0, segments)


@calmly
@given(SEGMENTS, st.floats(0, 30), st.floats(30.1, 60))
def test_whatever_is_heard_is_in_order_and_within_the_recording(
    segments: list[Segment], earliest: float, latest: float
) -> None:
    said = [(segment.text, [word["word"] for word in segment.words]) for segment in segments]
    clamp_segments(segments, earliest, latest)
    assert [(segment.text, [word["word"] for word in segment.words]) for segment in segments] == said
    for segment in segments:
        assert round(earliest, 3) <= segment.start < segment.end <= latest + 1e-6
        assert round(segment.start * 1000) < round(segment.end * 1000)
        times = [segment.start, *(t for word in segment.words for t in (word["start"], word["end"])), segment.end]
        assert times == sorted(times)
    assert all(one.start <= after.start for one, after in pairwise(segments))


@calmly
@given(st.floats(0, 30), st.floats(0.05, 20))
def test_what_lies_within_stays_to_the_millisecond(start: float, seconds: float) -> None:
    segment = Segment(start=start, end=start + seconds, text=" a")
    clamp_segments([segment], 0.0, 60.0)
    assert (segment.start, segment.end) == (round(start, 3), round(start + seconds, 3))


@pytest.fixture
def running(alice: Character, within: None, fox: Path) -> tuple[claims.Claim, Transcription]:
    serve()
    row = submit(alice.actor, fox)
    claim = claims.claim("host/1")
    assert claim is not None
    return claim, row


def save(claim: claims.Claim, row: Transcription, result: WindowResult, first: int, decoded: float) -> list[Segment]:
    segments = segments_of(row, result, first_index=first)
    lifecycle.save_window(claim, segments, result.end, "en", "v", {}, decoded_seconds=decoded)
    return segments


def times_of(row: Transcription) -> list[tuple[float, float]]:
    return list(row.segments.values_list("start", "end"))


@pytest.mark.django_db
def test_the_padded_last_window_ends_with_the_sound(running: tuple[claims.Claim, Transcription]) -> None:
    claim, row = running
    word = Word(" fox.", 50.1, 50.9, 0.5)
    segments = save(claim, row, window(heard(24.96, 50.9, words=(word,))), 0, 33.6514)
    assert times_of(row) == [(24.96, 33.651)]
    kept = row.segments.get().words
    assert [(one["word"], one["start"], one["end"]) for one in kept] == [(" fox.", 33.651, 33.651)]
    assert progress.segment_data(segments[0])["end"] == 33.651, "watchers are told what is saved"


@pytest.mark.django_db
def test_a_window_does_not_reach_back_behind_what_was_saved(running: tuple[claims.Claim, Transcription]) -> None:
    claim, row = running
    save(claim, row, window(heard(1.0, 1.0), heard(9.0, 8.0)), 0, 90.0)
    save(claim, row, window(heard(-1.0, 31.0), heard(40.0, 50.0), start=30.0, end=60.0), 2, 90.0)
    assert times_of(row) == [(1.0, 1.02), (9.0, 9.02), (9.0, 31.0), (40.0, 50.0)]


@pytest.mark.django_db
def test_saving_a_window_again_moves_nothing(running: tuple[claims.Claim, Transcription]) -> None:
    claim, row = running
    segments = save(claim, row, window(heard(1.0, 2.0), heard(5.0, 70.0)), 0, 60.0)
    lifecycle.save_window(claim, segments, 30.0, "en", "v", {}, decoded_seconds=60.0)
    assert times_of(row) == [(segment.start, segment.end) for segment in segments] == [(1.0, 2.0), (5.0, 60.0)]


@pytest.fixture
def done(running: tuple[claims.Claim, Transcription]) -> Transcription:
    """2.9 seconds in two segments."""
    claim, row = running
    save(claim, row, window(heard(0.0, 1.5), heard(1.5, 30.0), end=2.9), 0, 2.9)
    lifecycle.complete(claim, "The fox. The fox.", 2.9, [])
    return Transcription.objects.get(id=row.id)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("start", "end", "limit"),
    [(1.5, 2.901, "2.900"), (2.0, 2.0, "2.000"), (2.5, 2.4, "2.500"), (2.9, 2.9, "2.900"), (-0.5, 2.0, "0.000")],
)
def test_a_correction_keeps_within_the_recording(
    alice: Character, done: Transcription, start: float, end: float, limit: str
) -> None:
    with pytest.raises(InvalidOption, match=limit):
        editing.edit(alice.actor, done.id, 1, {"*"}, start=start, end=end)
    with pytest.raises(InvalidOption, match=limit):
        editing.replace(alice.actor, done.id, [SegmentEdit(0.0, 1.5, "One."), SegmentEdit(start, end, "Two.")], {"*"})
    assert times_of(done) == [(0.0, 1.5), (1.5, 2.9)]


@pytest.mark.django_db
@pytest.mark.parametrize("at", [0.0, 1.5, 1.6])
def test_a_segment_is_not_split_at_its_edge(alice: Character, done: Transcription, at: float) -> None:
    with pytest.raises(InvalidOption, match=r"0\.000.*1\.500"):
        editing.split(alice.actor, done.id, 0, 3, at, {"*"})


@pytest.mark.django_db
def test_a_split_where_a_words_time_is_at_the_edge_leaves_time_on_both_sides(
    alice: Character, done: Transcription
) -> None:
    late: list[dict[str, Any]] = [
        {"word": " The", "start": 1.5, "end": 1.5}, {"word": " fox.", "start": 1.5, "end": 1.5}
    ]  # fmt: skip
    done.segments.filter(index=0).update(words=late)
    halves = editing.split(alice.actor, done.id, 0, 3, None, {"*"})
    assert [(half.start, half.end) for half in halves] == [(0.0, 1.499), (1.499, 1.5)]
    srt = str(render(done, "srt").body)
    assert "00:00:01,499 --> 00:00:01,500" in srt


@pytest.mark.django_db
def test_what_lasts_a_millisecond_is_not_split(alice: Character, done: Transcription) -> None:
    done.segments.filter(index=0).update(end=0.001)
    with pytest.raises(InvalidOption, match=r"0\.001"):
        editing.split(alice.actor, done.id, 0, 3, None, {"*"})
