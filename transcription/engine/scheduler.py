"""Runs the threads that encode and decode the windows of a request queue."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from transcription.engine.backend import Backend, DeviceLost
from transcription.engine.batch_loop import BatchLoop
from transcription.engine.models import Models
from transcription.engine.request_queue import RequestQueue
from transcription.engine.step_loop import StepLoop

log = logging.getLogger(__name__)

GPU_ENCODE_BATCH = 2
"""Windows that a GPU encodes at once: its arithmetic is busy with two of large-v3, and an urgent one waits for them."""


class Scheduler:
    """Runs the loop that fits the backend, in threads of its own.

    batch_size: windows that may share a call of the decoder; where models have slots, those that may wait for one
    encoded. on_fatal: called with a reason when only a new process can go on; on_lost before, where that is because the
    device is lost.
    """

    def __init__(
        self,
        backend: Backend,
        models: Models,
        queue: RequestQueue,
        batch_size: int,
        on_fatal: Callable[[str], None],
        on_lost: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.queue = queue
        self.models = models
        # On a CPU one at a time: its caches don't hold the attention of several.
        encode_batch = GPU_ENCODE_BATCH if backend.device == "cuda" else 1
        self.loop = (
            BatchLoop(backend, models, queue, encode_batch, batch_size)
            if backend.workers
            else StepLoop(models, queue, encode_batch, batch_size)
        )
        self._on_fatal = on_fatal
        self._on_lost = on_lost
        self._threads: list[threading.Thread] = []

    def start(self, versions: dict[str, str]) -> None:
        """Starts the threads. versions: of each model's results, by its name."""
        self.queue.versions = versions
        rounds = [*self.loop.rounds(), self.models.close_unused]
        self._threads = [threading.Thread(target=self._repeat, args=(round_,), daemon=True) for round_ in rounds]
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> None:
        """Takes no more windows, and waits for so many seconds at most until those in hand are done."""
        self.queue.stop()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _repeat(self, round_: Callable[[], None]) -> None:
        try:
            while not self.queue.stopping:
                round_()
        except DeviceLost as error:
            self._on_lost(str(error))
            self._on_fatal(f"the device is lost: {error}")
        except Exception as error:
            log.exception("the scheduler broke")
            self._on_fatal(f"the scheduler broke: {error!r}")
