"""Callers take turns, and nobody has more than their share."""

from __future__ import annotations

import threading

import pytest

from transcription.concurrency import CallerQueue, ConcurrencyLimit, TooBusy


def admitted(queue: CallerQueue[str]) -> list[str]:
    return [item for _caller, item in queue.admit()]


def test_callers_take_turns() -> None:
    queue: CallerQueue[str] = CallerQueue(slots=3, share=3)
    for item in ("m1", "m2", "m3"):
        queue.add("mallory", item)
    queue.add("alice", "a1")
    assert admitted(queue) == ["m1", "a1", "m2"]
    queue.release("alice")
    assert admitted(queue) == ["m3"]


def test_nobody_has_more_than_their_share() -> None:
    queue: CallerQueue[str] = CallerQueue(slots=4, share=2)
    for item in ("m1", "m2", "m3"):
        queue.add("mallory", item)
    assert admitted(queue) == ["m1", "m2"]
    queue.add("alice", "a1")
    assert admitted(queue) == ["a1"]
    assert queue.remove("mallory", "m3")
    assert not queue.remove("mallory", "m1"), "it has its slot"
    queue.release("mallory")
    assert admitted(queue) == []


def test_who_waits_too_long_is_told_and_forgotten() -> None:
    limit = ConcurrencyLimit(2, share=1)
    with limit.slot("mallory", 10):
        with pytest.raises(TooBusy), limit.slot("mallory", 0.01):
            pass
        with limit.slot("alice", 10):
            pass
    with limit.slot("mallory", 10):
        pass


def test_a_freed_slot_goes_to_who_waits() -> None:
    limit, entered = ConcurrencyLimit(1, share=1), threading.Event()

    def enter() -> None:
        with limit.slot("alice", 10):
            entered.set()

    with limit.slot("mallory", 10):
        waiting = threading.Thread(target=enter)
        waiting.start()
    waiting.join(10)
    assert entered.is_set()
