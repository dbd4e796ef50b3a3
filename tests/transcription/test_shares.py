"""Callers take turns, and nobody has more than their share."""

from __future__ import annotations

import threading

import pytest

from transcription.concurrency import Places, Shares, TooBusy


def served(shares: Shares[str]) -> list[str]:
    return [item for _caller, item in shares.served()]


def test_callers_take_turns() -> None:
    shares: Shares[str] = Shares(places=3, share=3)
    for item in ("m1", "m2", "m3"):
        shares.wait("mallory", item)
    shares.wait("alice", "a1")
    assert served(shares) == ["m1", "a1", "m2"]
    shares.leave("alice")
    assert served(shares) == ["m3"]


def test_nobody_has_more_than_their_share() -> None:
    shares: Shares[str] = Shares(places=4, share=2)
    for item in ("m1", "m2", "m3"):
        shares.wait("mallory", item)
    assert served(shares) == ["m1", "m2"]
    shares.wait("alice", "a1")
    assert served(shares) == ["a1"]
    assert shares.give_up("mallory", "m3")
    assert not shares.give_up("mallory", "m1"), "it has its place"
    shares.leave("mallory")
    assert served(shares) == []


def test_who_waits_too_long_is_told_and_forgotten() -> None:
    places = Places(2, share=1)
    with places.held("mallory", 10):
        with pytest.raises(TooBusy), places.held("mallory", 0.01):
            pass
        with places.held("alice", 10):
            pass
    with places.held("mallory", 10):
        pass


def test_a_place_goes_on_to_who_waits() -> None:
    places, entered = Places(1, share=1), threading.Event()

    def enter() -> None:
        with places.held("alice", 10):
            entered.set()

    with places.held("mallory", 10):
        waiting = threading.Thread(target=enter)
        waiting.start()
    waiting.join(10)
    assert entered.is_set()
