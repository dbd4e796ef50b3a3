"""Continuous batching: windows enter and leave a running decoder between its steps.

Four threads: one opens models and encodes windows ahead of the decoder; one admits encoded windows to free slots,
the most urgent first, runs the steps and collects finished windows; one times words, and encodes what is to be heard
again in full; one decodes again, apart from the slots, what came out as no number. On a GPU encoding is bound by
arithmetic and decoding by memory, so that the first two run well side by side.

Only the first thread ever waits for a model, which may be until another one has no windows under way: whatever these
need is done by the other threads.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence

from transcription.engine.backend import Decoded, DeviceLost, OutOfDeviceMemory, StepModel, Work
from transcription.engine.lane_queue import Request, model_of, request_ids
from transcription.engine.models import Models
from transcription.engine.request_queue import RequestQueue
from transcription.engine.stages import Stages, set_next_try
from transcription.engine.types import LANES, Lane
from transcription.engine.window_transcript import WindowTranscript

log = logging.getLogger(__name__)

URGENT = LANES[:1]

Pending = tuple[StepModel, Request]


class StepLoop(Stages[StepModel]):
    """Drives StepModels. ahead: encoded windows that may wait for a slot; urgent ones are encoded however many wait."""

    def __init__(self, models: Models, queue: RequestQueue, encode_batch: int, ahead: int) -> None:
        super().__init__(models, queue, encode_batch)
        self._ahead = ahead
        self._encoded: deque[Pending] = deque()
        self._unencoded: deque[Pending] = deque()
        self._retry_groups: deque[list[Pending]] = deque()
        self._not_numbers: deque[Pending] = deque()
        self._untimed: deque[tuple[StepModel, Request, WindowTranscript]] = deque()
        self._running: dict[StepModel, dict[Work, Request]] = {}

    def rounds(self) -> list[Callable[[], None]]:
        """Returns a function for each thread, which is called again and again until the queue stops."""
        return [self._prepare, self._step, self._follow_up, self._decode_apart]

    @property
    def capacity(self) -> int:
        """How many windows are of use at once: those in slots, encoded ones that wait for them, and the next ones."""
        return self._models.slots + self._ahead + self._encode_batch

    @property
    def batch_capacity(self) -> int:
        """How many windows the steps of all models may hold."""
        return self._models.slots

    # The encoding thread

    def _prepare(self) -> None:
        """Encodes the next windows."""
        queue = self._queue
        with queue.changed:
            queue.changed.wait_for(lambda: queue.stopping or queue.ready(self._wanted_lanes()) > 0)
            requests = queue.take(
                0 if queue.stopping else self._encode_batch, model_of, self._wanted_lanes(), self._models.prefers
            )
        if requests and (model := self._opened(requests)) is not None:
            self._make_ready(model, requests)

    def _wanted_lanes(self) -> Sequence[Lane]:
        return LANES if len(self._encoded) < self._ahead else URGENT

    def _make_ready(self, model: StepModel, requests: Sequence[Request]) -> None:
        """Encodes the windows of requests, each a user of the model, and lets them wait for slots."""
        ready = self._prepared(model, requests)
        with self._queue.changing():
            self._encoded.extend((model, request) for request in ready)

    # The thread for decoded windows

    def _follow_up(self) -> None:
        """Encodes a window that is to be heard again in full, or else times the words of some."""
        queue = self._queue
        with queue.changed:
            queue.changed.wait_for(lambda: queue.stopping or self._unencoded or self._untimed)
            if queue.stopping:
                return
            again = self._unencoded.popleft() if self._unencoded else None
        if again:
            model, request = again
            self._make_ready(model, [request])
        else:
            self._time()

    def _time(self) -> None:
        """Times the words of decoded windows, as many at once as are encoded at once."""
        with self._queue.changed:
            first = self._untimed[0][0]
            batch = [entry for entry in self._untimed if entry[0] is first][: self._encode_batch]
            self._untimed = deque(entry for entry in self._untimed if entry not in batch)
        transcripts = {request: transcript for _, request, transcript in batch}
        for request in self._time_words(first, transcripts, self._shrink_encoding):
            self._queue.answer(request, transcripts[request])
        for request in transcripts:
            self._models.release(request.work.options.model)

    # The thread for what came out as no number

    def _decode_apart(self) -> None:
        """Decodes a window in float32 that came out as no number, once; nobody else waits for it."""
        queue = self._queue
        with queue.changed:
            queue.changed.wait_for(lambda: queue.stopping or self._not_numbers)
            if queue.stopping:
                return
            model, request = self._not_numbers.popleft()
        log.warning("%s: a window came out as no number; decoding it in float32", request_ids([request]))
        try:
            with queue.timed():
                decoded = model.decode_apart(request.work)
        except DeviceLost:
            raise
        except Exception as error:
            self._fail(request, error)
            return
        self._conclude(model, request, decoded)

    # The stepping thread

    def _step(self) -> None:
        """Admits windows and runs one step of every model that has windows under way."""
        queue = self._queue
        with queue.changed:
            queue.changed.wait_for(lambda: queue.stopping or self._encoded or self._retry_groups or self._running)
            self._drop_abandoned()
            entering = self._entering()
        for model, requests in entering.items():
            self._admit(model, requests)
        # A model without windows may be closed at any time, so that it is not stepped.
        for model, running in self._running.items():
            if running:
                self._advance(model, running)
        self._running = {model: running for model, running in self._running.items() if running}

    def _entering(self) -> dict[StepModel, list[Request]]:
        """Removes and returns the windows for the free slots: urgent ones first, then groups whose step failed."""
        order = sorted(self._encoded, key=lambda pending: LANES.index(pending[1].stream.lane))
        if self._retry_groups:
            order = [pending for pending in order if pending[1].stream.lane in URGENT]
            if not order and not self._running:
                group = self._retry_groups.popleft()
                return {group[0][0]: [request for _, request in group]}
        entering: dict[StepModel, list[Request]] = {}
        for model, request in order:
            places = entering.setdefault(model, [])
            if model.room([*(other.work for other in places), request.work]):
                places.append(request)
        taken = {request for requests in entering.values() for request in requests}
        if taken:
            self._encoded = deque(pending for pending in self._encoded if pending[1] not in taken)
            self._queue.changed.notify_all()
        return entering

    def _drop_abandoned(self) -> None:
        """Discards the windows of abandoned streams, waiting or under way."""
        for waiting in (self._encoded, self._unencoded, self._not_numbers, *self._retry_groups):
            for pending in [pending for pending in waiting if pending[1].stream.abandoned]:
                waiting.remove(pending)
                self._discard(pending[1])
        self._retry_groups = deque(group for group in self._retry_groups if group)
        for model, running in self._running.items():
            for work in [work for work, request in running.items() if request.stream.abandoned]:
                model.evict(work)
                self._discard(running.pop(work))

    def _admit(self, model: StepModel, requests: Sequence[Request]) -> None:
        """Admits windows to a model's slots. If that fails, the windows in other slots continue."""
        if not requests:
            return
        try:
            with self._queue.timed(len(requests)):
                model.admit([request.work for request in requests])
        except DeviceLost:
            raise
        except Exception as error:
            short = isinstance(error, OutOfDeviceMemory)
            if short:
                self._halve(model)
            if short and self._running.get(model):
                self._put_back([(model, request) for request in requests])
            elif len(requests) == 1:
                self._fail(requests[0], error)
            else:
                for request in requests:
                    self._admit(model, [request])
            return
        self._running.setdefault(model, {}).update({request.work: request for request in requests})

    def _advance(self, model: StepModel, running: dict[Work, Request]) -> None:
        """Runs one step of a model. running: the requests in its slots, by their work."""
        try:
            with self._queue.timed():
                model.step()
                done = model.finished()
            tokens = sum(len(outcome.tokens) for _, outcome in done if isinstance(outcome, Decoded))
            self._queue.count_batch(len(running), tokens)
        except DeviceLost:
            raise
        except Exception as error:
            self._recover(model, running, error)
            return
        for work, outcome in done:
            request = running.pop(work)
            if isinstance(outcome, Exception):
                self._retry_alone(model, request, outcome)
            else:
                self._conclude(model, request, outcome)

    def _retry_alone(self, model: StepModel, request: Request, error: Exception) -> None:
        """Tries one window again that failed beside others, or fails it: no other window is touched."""
        if isinstance(error, ArithmeticError) and not request.work.in_float32:
            request.work.in_float32 = True
            with self._queue.changing():
                self._not_numbers.append((model, request))
        elif isinstance(error, OutOfDeviceMemory):
            self._retry_groups.append([(model, request)])
        else:
            self._fail(request, error)

    def _recover(self, model: StepModel, running: dict[Work, Request], error: Exception) -> None:
        """Takes back a model's windows after a failed step, to admit them again in smaller groups.

        The window at fault is alone in its group in the end, and fails.
        """
        requests = list(running.values())
        for request in requests:
            model.evict(request.work)
        running.clear()
        if len(requests) == 1:
            self._fail(requests[0], error)
            return
        log.warning("%s: %d windows under way failed together: %s", request_ids(requests), len(requests), error)
        again = [(model, request) for request in requests]
        if isinstance(error, OutOfDeviceMemory):
            self._halve(model)
            self._put_back(again)
        else:
            half = len(again) // 2
            self._retry_groups.extendleft((again[half:], again[:half]))

    def _halve(self, model: StepModel) -> None:
        self._queue.count_shortage()
        model.halve()

    def _put_back(self, pending: Sequence[Pending]) -> None:
        """Lets windows wait for slots before all others of their lanes; those without encodings for that first."""
        with self._queue.changing():
            self._unencoded.extend(one for one in pending if one[1].work.encoding is None)
            self._encoded.extendleft(one for one in reversed(pending) if one[1].work.encoding is not None)

    def _fail(self, request: Request, error: Exception) -> None:
        self._queue.fail(request, error)
        self._models.release(request.work.options.model)

    def _conclude(self, model: StepModel, request: Request, decoded: Decoded) -> None:
        if set_next_try(request.work, decoded, model.vocabulary):
            self._put_back([(model, request)])
            return
        try:
            transcript = WindowTranscript(request.work, decoded, model.vocabulary)
        except Exception as error:
            self._fail(request, error)
            return
        if transcript.text:
            with self._queue.changing():
                self._untimed.append((model, request, transcript))
            return
        self._queue.answer(request, transcript)
        self._models.release(request.work.options.model)
