"""Many threads at one counter."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from django.db import connection

THREADS = 32


def race(times: int, attempt: Callable[[], bool]) -> int:
    """Makes `times` attempts from THREADS threads at once; how many of them won."""
    waiting: SimpleQueue[int] = SimpleQueue()
    for number in range(times):
        waiting.put(number)
    start, wins, errors = threading.Barrier(THREADS), SimpleQueue[int](), SimpleQueue[BaseException]()

    def rush() -> None:
        start.wait()
        try:
            while True:
                number = waiting.get_nowait()
                if attempt():
                    wins.put(number)
        except Empty:
            pass
        except BaseException as error:
            errors.put(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=rush) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not errors.empty():
        raise errors.get()
    return wins.qsize()
