"""Who is next in the waiting room."""

from __future__ import annotations

import numpy as np

from transcription.engine.backend import Language, Work
from transcription.engine.lane_queue import LaneQueue, Request, Stream
from transcription.engine.types import LANES, DecodeOptions, Lane, Window

SILENCE = np.zeros(1, dtype=np.int16)


def request(stream: Stream, index: int, language: str | None = "en") -> Request:
    work = Work(Window(index, 0.0, 1.0, SILENCE), DecodeOptions("base"), language)
    return Request(work, stream, lambda outcome: None)


def filled(room: LaneQueue, lane: Lane, windows: int, language: str | None = "en") -> Stream:
    stream = Stream(lane)
    for index in range(windows):
        room.add(request(stream, index, language))
    return stream


def taken(room: LaneQueue, limit: int) -> list[tuple[Stream, int]]:
    batch = room.take(limit, lambda work: work.temperature)
    return [(request.stream, request.work.window.index) for request in batch]


def test_short_clips_overtake_everybody() -> None:
    room = LaneQueue()
    bulk, standard, clip = (filled(room, lane, 1) for lane in ("bulk", "standard", "interactive"))
    assert taken(room, 3) == [(clip, 0), (standard, 0), (bulk, 0)]


def test_recordings_take_turns_however_long_they_are() -> None:
    room = LaneQueue()
    long, short = filled(room, "standard", 100), filled(room, "standard", 2)
    assert taken(room, 4) == [(long, 0), (short, 0), (long, 1), (short, 1)]


def test_a_batch_holds_only_what_may_share_it() -> None:
    room = LaneQueue()
    cold, hot = filled(room, "standard", 1), filled(room, "standard", 1)
    hot.waiting[0].work.temperature = 0.2
    assert taken(room, 8) == [(cold, 0)]
    assert taken(room, 8) == [(hot, 0)]


def test_a_recording_waits_for_its_first_window_to_find_the_language() -> None:
    room = LaneQueue()
    stream = filled(room, "standard", 3, language=None)
    assert room.ready() == 1
    assert taken(room, 8) == [(stream, 0)]
    assert (room.ready(), taken(room, 8)) == (0, [])
    stream.language = Language("es", 0.9)
    assert [t.knows_language for t in room.take(8, lambda work: work.language)] == [True, True]


def test_a_window_that_needs_another_try_goes_first() -> None:
    room = LaneQueue()
    first, second = filled(room, "standard", 2), filled(room, "standard", 2)
    (again,) = room.take(1, lambda work: work.temperature)
    room.return_to_front(again)
    assert taken(room, 2) == [(first, 0), (second, 0)]


def test_who_leaves_is_forgotten() -> None:
    room = LaneQueue()
    gone, stays = filled(room, "standard", 5), filled(room, "bulk", 1)
    room.drop(gone)
    assert room.lengths() == {"interactive": 0, "standard": 0, "bulk": 1}
    assert taken(room, 8) == [(stays, 0)]


def test_a_suspect_is_tried_however_many_others_are_more_urgent() -> None:
    room = LaneQueue()
    suspect = filled(room, "bulk", 2)
    for one in suspect.waiting:
        one.suspect = True
    standard, clip = filled(room, "standard", 9), filled(room, "interactive", 1)
    assert taken(room, 4) == [(suspect, 0)]
    assert taken(room, 4) == [(clip, 0)], "who waits in person waits for one of them"
    assert taken(room, 4) == [(suspect, 1)]
    assert taken(room, 2) == [(standard, 0), (standard, 1)]


def test_only_what_may_be_taken_is_ready() -> None:
    room = LaneQueue()
    suspect, _standard = filled(room, "bulk", 1), filled(room, "standard", 5)
    suspect.waiting[0].suspect = True
    assert [room.ready([lane]) for lane in LANES] == [0, 0, 1]
