"""Waiting for what other processes and threads do."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def until(condition: Callable[[], Result], seconds: float = 120, what: str = "what was to come") -> Result:
    """Returns what `condition` returns, once that is true.

    Raises TimeoutError after `seconds`, which are many: a machine under load is slow, and no test is quicker for few.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {seconds:g} s in vain for {what}.")
        time.sleep(0.01)
    return found
