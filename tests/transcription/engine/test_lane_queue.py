"""The lane queue decides which of the waiting windows is decoded next."""

from __future__ import annotations

import numpy as np

from transcription.engine.backend import Language, Work
from transcription.engine.lane_queue import LaneQueue, Request, Stream
from transcription.engine.types import LANES, DecodeOptions, Lane, Window

SILENCE = np.zeros(1, dtype=np.int16)


def request(stream: Stream, index: int, language: str | None = "en") -> Request:
    work = Work(Window(index, 0.0, 1.0, SILENCE), DecodeOptions("base"), language)
    return Request(work, stream, lambda outcome: None)


def filled(queue: LaneQueue, lane: Lane, windows: int, language: str | None = "en") -> Stream:
    stream = Stream(lane)
    for index in range(windows):
        queue.add(request(stream, index, language))
    return stream


def taken(queue: LaneQueue, limit: int) -> list[tuple[Stream, int]]:
    batch = queue.take(limit, lambda work: work.temperature)
    return [(request.stream, request.work.window.index) for request in batch]


def test_interactive_windows_come_first() -> None:
    queue = LaneQueue()
    bulk, standard, clip = (filled(queue, lane, 1) for lane in ("bulk", "standard", "interactive"))
    assert taken(queue, 3) == [(clip, 0), (standard, 0), (bulk, 0)]


def test_recordings_take_turns_however_long_they_are() -> None:
    queue = LaneQueue()
    long, short = filled(queue, "standard", 100), filled(queue, "standard", 2)
    assert taken(queue, 4) == [(long, 0), (short, 0), (long, 1), (short, 1)]


def test_a_batch_holds_only_what_may_share_it() -> None:
    queue = LaneQueue()
    cold, hot = filled(queue, "standard", 1), filled(queue, "standard", 1)
    hot.waiting[0].work.temperature = 0.2
    assert taken(queue, 8) == [(cold, 0)]
    assert taken(queue, 8) == [(hot, 0)]


def test_a_recording_waits_for_its_first_window_to_find_the_language() -> None:
    queue = LaneQueue()
    stream = filled(queue, "standard", 3, language=None)
    assert queue.ready() == 1
    assert taken(queue, 8) == [(stream, 0)]
    assert (queue.ready(), taken(queue, 8)) == (0, [])
    stream.language = Language("es", 0.9)
    assert [t.knows_language for t in queue.take(8, lambda work: work.language)] == [True, True]


def test_a_window_that_needs_another_try_goes_first() -> None:
    queue = LaneQueue()
    first, second = filled(queue, "standard", 2), filled(queue, "standard", 2)
    (again,) = queue.take(1, lambda work: work.temperature)
    queue.return_to_front(again)
    assert taken(queue, 2) == [(first, 0), (second, 0)]


def test_the_windows_of_a_dropped_stream_are_removed() -> None:
    queue = LaneQueue()
    gone, stays = filled(queue, "standard", 5), filled(queue, "bulk", 1)
    queue.drop(gone)
    assert queue.lengths() == {"interactive": 0, "standard": 0, "bulk": 1}
    assert taken(queue, 8) == [(stays, 0)]


def test_a_suspect_is_tried_however_many_others_are_more_urgent() -> None:
    queue = LaneQueue()
    suspect = filled(queue, "bulk", 2)
    for one in suspect.waiting:
        one.suspect = True
    standard, clip = filled(queue, "standard", 9), filled(queue, "interactive", 1)
    assert taken(queue, 4) == [(suspect, 0)]
    assert taken(queue, 4) == [(clip, 0)], "an urgent window waits for one suspect at most"
    assert taken(queue, 4) == [(suspect, 1)]
    assert taken(queue, 2) == [(standard, 0), (standard, 1)]


def test_only_what_may_be_taken_is_ready() -> None:
    queue = LaneQueue()
    suspect, _standard = filled(queue, "bulk", 1), filled(queue, "standard", 5)
    suspect.waiting[0].suspect = True
    assert [queue.ready([lane]) for lane in LANES] == [0, 0, 1]
