"""Sound becomes turns, and passes over it lose nothing, however slow the engine is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from transcription.engine.types import SAMPLE_RATE
from transcription.live.agreement import Heard
from transcription.live.passes import Pass, PassResult
from transcription.live.session import LONGEST_TURN_SECONDS, LiveSession
from transcription.live.turn import FULL_SECONDS, Hearing, Turn
from transcription.live.turns import TurnDetection, TurnEdge

HEARING = Hearing("base", "en")
PIECE = SAMPLE_RATE // 10


def speech(first: int, last: int) -> NDArray[np.int16]:
    """Seconds that each say their own number."""
    return np.repeat(np.arange(first, last, dtype=np.int16), SAMPLE_RATE)


def recognised(wanted: Pass) -> PassResult:
    """What an engine without mistakes hears: a second of which most is there is its number; four are a segment."""
    samples = np.frombuffer(wanted.pcm, dtype="<i2")
    numbers = [int(number) for number in np.unique(samples) if (samples == number).sum() > SAMPLE_RATE // 2]
    parts = [numbers[at : at + 4] for at in range(0, len(numbers), 4)]
    ends = [float((samples <= part[-1]).sum()) / SAMPLE_RATE for part in parts]
    texts = ["".join(f" {number}" for number in part) for part in parts]
    return PassResult(tuple(map(Heard, ends, texts)), "en")


@settings(max_examples=15, deadline=None)
@example(60, [1], 1)
@given(st.integers(3, 150), st.lists(st.integers(1, 300), min_size=1, max_size=8), st.integers(1, 40))
def test_however_rarely_passes_come_each_second_is_heard_once(seconds: int, pieces: list[int], slowness: int) -> None:
    session, said, texts, passes = LiveSession(None), speech(1, seconds + 1), [], 0
    at = turn_number = 0

    def hear() -> None:
        if (turn := session.due) is None:
            return
        wanted = turn.next_pass(HEARING)
        assert len(wanted.pcm) <= 2 * FULL_SECONDS * SAMPLE_RATE
        if turn.take(recognised(wanted))[1]:
            texts.append(turn.agreement.firm)
            session.finish(turn)

    while at < len(said):
        count = pieces[turn_number % len(pieces)] * PIECE
        session.add(said[at : at + count], [])
        at, turn_number = at + count, turn_number + 1
        if turn_number % slowness == 0:
            hear()
    session.close()
    while session.turns:
        hear()
        passes += 1
        assert passes < 100
    assert " ".join(texts).split() == [str(number) for number in range(1, seconds + 1)]
    assert session.seconds_behind == 0.0


def test_what_has_been_heard_is_not_kept() -> None:
    session = LiveSession(None)
    for second in range(1, 50):
        session.add(speech(second, second + 1), [])
        turn = session.turns[0]
        wanted = turn.next_pass(HEARING)
        turn.take(recognised(wanted))
        assert len(wanted.pcm) <= 2 * 12 * SAMPLE_RATE


def test_a_turn_has_the_sound_before_its_first_word_and_a_long_one_is_divided() -> None:
    session = LiveSession(TurnDetection(prefix_padding_ms=300))
    session.add(speech(1, 11), [])
    began = SAMPLE_RATE * 10 - 4800
    (first,) = session.add(speech(11, 12), [TurnEdge(began, begins=True)])
    assert (first.begins, first.at, first.is_heard) == (True, began, True)
    changes = session.add(speech(12, 80), [TurnEdge(75 * SAMPLE_RATE, begins=False)])
    assert [change.begins for change in changes] == [False, True, False]
    assert changes[0].turn is first.turn
    assert first.turn.seconds == LONGEST_TURN_SECONDS
    assert first.turn.seconds + changes[1].turn.seconds == 75 - began / SAMPLE_RATE


def test_short_windows_are_heard_without_a_prompt_where_that_is_measured_and_others_after_firm_text() -> None:
    turn = Turn("item", 0)
    turn.append(speech(1, 4))
    turn.take(recognised(turn.next_pass(HEARING)))
    turn.append(speech(4, 7))
    turn.take(recognised(turn.next_pass(HEARING)))
    assert turn.agreement.firm == " 1 2 3"
    assert turn.next_pass(Hearing("base", "de")).prompt == ""  # the sound of these is heard again
    turn.append(speech(7, 8))
    turn.take(recognised(turn.next_pass(HEARING)))
    assert turn.agreement.firm == " 1 2 3 4 5 6"
    assert turn.next_pass(HEARING).prompt == ""
    assert turn.next_pass(Hearing("base", "de")).prompt == "1 2 3 4"


def test_a_language_is_sure_when_two_passes_detect_it_or_the_turn_before_had_it() -> None:
    session, asked = LiveSession(None), []
    for number, detected in enumerate(["nn", "zh", "zh", "zh"]):
        session.add(speech(number + 1, number + 3), [])
        turn = session.turns[0]
        asked.append(turn.next_pass(Hearing("base")).language)
        turn.take(replace(recognised(turn.next_pass(Hearing("base"))), language=detected))
    assert asked == ["", "", "", "zh"]
    session.finish(turn)
    session.commit()
    session.add(speech(1, 3), [])
    following = session.turns[0]
    following.take(replace(recognised(following.next_pass(Hearing("base"))), language="zh"))
    assert following.next_pass(Hearing("base")).language == "zh"


def test_what_is_cleared_is_forgotten_and_too_little_can_not_be_committed() -> None:
    session = LiveSession(None)
    session.add(speech(1, 3), [])
    session.clear()
    assert not session.turns
    assert session.commit() is None
    session.add(speech(3, 4)[:800], [])
    assert session.commit() is None
    assert session.close() == []
    assert not session.turns  # one that never ends would let none after it be heard
    session.add(speech(4, 5), [])
    assert [change.begins for change in session.close()] == [False]
    assert [turn.is_whole for turn in session.turns] == [True]
