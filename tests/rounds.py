"""The sweeper's rounds, as its process runs them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from transcription.maintenance import rounds, sweeper


@contextmanager
def running(*names: str) -> Iterator[None]:
    """Runs the rounds of these names until the end of the block, and finishes what they began."""
    stop = threading.Event()
    everything = (*sweeper.ROUNDS, *sweeper.beside(stop))
    wanted = [one for one in everything if one.name in names]
    assert len(wanted) == len(names), [one.name for one in everything]
    looking = threading.Thread(target=rounds.run, args=(stop, wanted))
    looking.start()
    try:
        yield
    finally:
        stop.set()
        looking.join(60)
        assert all(one.finish(60) for one in wanted)
        assert all(threads.finish(60) for threads in sweeper.WORKING)
