"""Batched decoding: each call of a BatchModel decodes several windows from start to end.

Some threads encode windows ahead of the threads that decode. A call of the decoder has a fixed cost, so that windows
are decoded in batches.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager

from transcription.engine.backend import Backend, BatchModel, Decoded, Work, grouped
from transcription.engine.lane_queue import Request, model_of
from transcription.engine.models import Models
from transcription.engine.request_queue import RequestQueue
from transcription.engine.stages import Stages, set_next_try
from transcription.engine.types import LANES, Lane
from transcription.engine.window_transcript import WindowTranscript

log = logging.getLogger(__name__)

URGENT: tuple[Lane, ...] = LANES[:1]
ORDINARY: tuple[Lane, ...] = LANES[1:]

Encoded = tuple[BatchModel, Request]
"""A request whose window was encoded, with its model, which it keeps open."""

MIN_BATCH = 4
"""The smallest batch while more windows are being encoded: with base on two cores a call takes 0.8 s for one window
and 1.8 s for four."""

QUICK_SECONDS = 2.0
"""Models whose probe (probe.py) takes less are quick: see `_is_alone`."""

RECHECK_SECONDS = 0.25
"""How often a thread that waits for a full batch checks whether more windows are being encoded."""


class BatchLoop(Stages[BatchModel]):
    """Runs `backend.encoders` threads that encode, `backend.workers` that decode and `backend.urgent_workers` that do
    both for urgent windows, so that a short clip does not wait for a long recording's window.

    While only urgent windows wait, all threads take them. batch_size: windows that may share a call of the decoder.
    """

    def __init__(
        self, backend: Backend, models: Models, queue: RequestQueue, encode_batch: int, batch_size: int
    ) -> None:
        super().__init__(models, queue, encode_batch)
        self._batch_size = batch_size
        self._backend = backend
        self._encoded: list[Encoded] = []
        self._encoding = 0
        self._opening = False
        self._urgent_idle = 0
        self._running = 0

    def rounds(self) -> list[Callable[[], None]]:
        """Returns a function for each thread, which is called again and again until the queue stops."""
        backend = self._backend
        counts = {
            self._encode: backend.encoders,
            self._decode: backend.workers,
            self._decode_urgent: backend.urgent_workers,
        }
        return [round_ for round_, count in counts.items() for _ in range(count)]

    @property
    def capacity(self) -> int:
        """How many windows are of use at once: those that are decoded, and as many encoded ones as one call takes."""
        return self._batch_size * (self._backend.workers + 1)

    @property
    def batch_capacity(self) -> int:
        """How many windows one call may decode."""
        return self._batch_size

    # Encoding threads

    def _encode(self) -> None:
        queue = self._queue
        with queue.changed:
            queue.changed.wait_for(lambda: queue.stopping or self._may_encode())
            requests = queue.take(
                0 if queue.stopping else self._encode_batch, model_of, self._lanes(), self._models.prefers
            )
            self._opening = bool(requests)
            is_alone = self._is_alone()
        for request in requests:
            request.work.urgent = is_alone
        if requests:
            self._encode_into_buffer(requests)

    def _is_alone(self) -> bool:
        """Returns whether the only window under way may use the urgent workers, with all cores. Hold `changed`.

        An urgent window that arrives meanwhile waits for it, which is why only quick models may do so.
        """
        quick = bool(self._backend.urgent_workers) and self._queue.probe_seconds < QUICK_SECONDS
        return quick and self._queue.under_way == 1 and not self._queue.ready(LANES)

    def _may_encode(self) -> bool:
        if self._opening:
            return False
        held = len(self._encoded) + self._encoding
        return held < max(self._batch_size, MIN_BATCH) and self._queue.ready(self._lanes()) > 0

    def _lanes(self) -> Sequence[Lane]:
        return ORDINARY if self._urgent_idle else LANES

    def _encode_into_buffer(self, requests: Sequence[Request]) -> None:
        model = self._opened(requests)
        with self._queue.changing():
            self._opening = False
            self._encoding += 1
        encoded = self._ready(model, requests) if model else []
        with self._queue.changing():
            self._encoding -= 1
            self._encoded += encoded

    def _ready(self, model: BatchModel, requests: Sequence[Request]) -> list[Encoded]:
        ready = self._prepared(model, requests)
        for request in ready:
            request.work.urgent = False
        return [(model, request) for request in ready]

    # Decoding threads

    def _decode(self) -> None:
        queue = self._queue
        with queue.changed:
            queue.changed.wait_for(lambda: queue.stopping or self._encoded)
            if not queue.changed.wait_for(lambda: queue.stopping or self._may_decode(), RECHECK_SECONDS):
                return
            self._drop_abandoned()
            batch = [] if queue.stopping else self._next_batch()
            self._running += 1
        with self._counted_out():
            if batch:
                self._run(batch[0][0], [request for _, request in batch])

    def _may_decode(self) -> bool:
        """Returns whether this thread may decode: not while `backend.workers` threads run or a batch is filling up."""
        if not self._encoded or self._running >= self._backend.workers:
            return False
        is_urgent = any(request.stream.lane in URGENT for _, request in self._encoded)
        return is_urgent or len(self._encoded) >= MIN_BATCH or not self._more_to_come()

    def _more_to_come(self) -> bool:
        """Returns whether windows will be encoded soon: none are while a model opens."""
        return self._encoding > 0 or self._may_encode()

    def _share(self) -> int:
        """Returns the size of the next batch: shared with the idle threads unless more windows are being encoded."""
        if self._more_to_come():
            return self._batch_size
        idle = max(1, self._backend.workers - self._running)
        return max(1, min(self._batch_size, -(-len(self._encoded) // idle)))

    def _next_batch(self) -> list[Encoded]:
        """Removes and returns the most urgent encoded window, and others of its model and batch key."""
        order = sorted(self._encoded, key=lambda encoded: LANES.index(encoded[1].stream.lane))
        alike = grouped(order, lambda encoded: (encoded[0], encoded[0].batch_key(encoded[1].work)))
        batch = alike[0][: self._share()] if alike else []
        self._encoded = [encoded for encoded in self._encoded if encoded not in batch]
        return batch

    def _drop_abandoned(self) -> None:
        for encoded in [encoded for encoded in self._encoded if encoded[1].stream.abandoned]:
            self._encoded.remove(encoded)
            self._discard(encoded[1])

    # Threads for urgent windows

    def _decode_urgent(self) -> None:
        queue = self._queue
        with queue.changed:
            self._urgent_idle += 1
            queue.changed.wait_for(lambda: queue.stopping or queue.ready(URGENT) > 0)
            idle, self._urgent_idle = self._urgent_idle, self._urgent_idle - 1
            share = max(1, min(self._batch_size, -(-queue.ready(URGENT) // idle)))
            requests = queue.take(0 if queue.stopping else share, _alike, URGENT, self._models.prefers)
            # Ordinary threads take urgent windows while no urgent thread is idle.
            queue.changed.notify_all()
        # Opening may have to wait until another model's windows are decoded: this thread does not count as running.
        model = self._opened(requests) if requests else None
        if model is None:
            return
        with queue.changed:
            self._running += 1
        with self._counted_out():
            self._run_urgent(model, requests)

    @contextmanager
    def _counted_out(self) -> Iterator[None]:
        """Counts this thread as running until the block ends."""
        try:
            yield
        finally:
            with self._queue.changing():
                self._running -= 1

    def _run_urgent(self, model: BatchModel, requests: Sequence[Request]) -> None:
        for request in requests:
            request.work.urgent = True
        for group in grouped(self._prepared(model, requests), lambda request: model.batch_key(request.work)):
            self._run(model, group)

    # Shared by all threads

    def _run(self, model: BatchModel, batch: Sequence[Request]) -> None:
        """Decodes a batch in one call, answers it, and releases its model."""
        outcomes: dict[Request, Decoded] = {}

        def decode(some: Sequence[Request]) -> None:
            works = [request.work for request in some]
            if again := [work for work in works if work.encoding is None]:
                model.encode(again)  # suspects that are heard again in full
            decoded = model.decode(works)
            self._queue.count_batch(len(works), sum(len(one.tokens) for one in decoded))
            outcomes.update(zip(some, decoded, strict=True))

        decoded = self._attempt(batch, decode, self._shrink)
        kept = self._conclude(model, [(request, outcomes[request]) for request in decoded])
        self._models.release(batch[0].work.options.model, users=len(batch) - len(kept))
        if kept:
            with self._queue.changing():
                self._encoded += kept

    def _conclude(self, model: BatchModel, decoded: Sequence[tuple[Request, Decoded]]) -> list[Encoded]:
        """Answers decoded requests, with word times where they were asked for, or retries them.

        Returns the suspects that are retried: they stay under way, so that no other window is decoded in between.
        """
        transcripts: dict[Request, WindowTranscript] = {}
        kept: list[Encoded] = []
        for request, outcome in decoded:
            if set_next_try(request.work, outcome, model.vocabulary):
                if request.suspect:
                    kept.append((model, request))
                else:
                    self._queue.retry(request)
                continue
            try:
                transcripts[request] = WindowTranscript(request.work, outcome, model.vocabulary)
            except Exception as error:
                self._queue.fail(request, error)
        for request in self._time_words(model, transcripts, self._shrink):
            self._queue.answer(request, transcripts[request])
        return kept

    def _shrink(self, windows: int) -> None:
        self._queue.count_shortage()
        self._batch_size = max(1, min(self._batch_size, windows // 2))
        log.warning("out of memory with %d windows; batches of %d from now on", windows, self._batch_size)


def _alike(work: Work) -> Hashable:
    """Returns the key of windows that may share a batch, as far as it is known before their prompts are encoded."""
    options, before = work.options, work.window.tail or work.window.passage
    context = None if before is None or before.context is None else len(before.context)
    frames = work.window.encoder_frames
    return options.model, work.temperature, work.beams, options.prompt, options.hotwords, context, frames
