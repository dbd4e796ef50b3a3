"""Threads for work beside the sweeper give each place back, whatever becomes of the work or of a thread."""

from __future__ import annotations

import threading

import pytest

from tests.waiting import until
from transcription.work_threads import WorkThreads


@pytest.fixture
def threads() -> WorkThreads[str]:
    return WorkThreads(2)


@pytest.fixture
def no_thread(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    return monkeypatch


def test_what_no_thread_begins_is_taken_back(threads: WorkThreads[str], no_thread: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError):
        threads.start("work", ["acme"], threading.Event().set)
    no_thread.undo()
    assert (threads.busy(), threads.free) == ([], 2)
    assert threads.finish(60)


def test_a_thread_that_runs_does_what_none_more_could_be_started_for(
    threads: WorkThreads[str], request: pytest.FixtureRequest
) -> None:
    first, second = threading.Event(), threading.Event()
    threads.start("first", ["acme"], lambda: first.wait(120))
    no_thread: pytest.MonkeyPatch = request.getfixturevalue("no_thread")
    threads.start("second", ["evil"], second.set)
    no_thread.undo()
    assert sorted(threads.busy()) == ["acme", "evil"]
    first.set()
    assert second.wait(120)
    until(lambda: threads.busy() == [] and threads.free == 2)


def test_work_counts_once_before_its_thread_begins(threads: WorkThreads[str], monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: later.append(thread))
    threads.start("work", ["acme"], threading.Event().set)
    monkeypatch.undo()
    assert threads.free == 1
    for thread in later:
        thread.start()
    assert threads.finish(60)


def test_whatever_ends_the_work_its_place_is_given_back(
    threads: WorkThreads[str], caplog: pytest.LogCaptureFixture
) -> None:
    def leave() -> None:
        raise SystemExit

    threads.start("work", ["acme"], leave)
    until(lambda: threads.busy() == [] and threads.free == 2)
    assert threads.finish(60)
    assert [record.getMessage() for record in caplog.records] == ["work broke off; it is tried again."]
