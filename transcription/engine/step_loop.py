"""Continuous batching: windows enter and leave a running decoder between its steps.

Three threads: one opens models and encodes windows ahead of the decoder; one admits encoded windows to free slots,
the most urgent first, runs the steps and collects finished windows; one times words. On a GPU encoding is bound by
arithmetic and decoding by memory, so that the first two run well side by side.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

from transcription.engine.backend import Decoded, DeviceLost, OutOfDeviceMemory, StepModel, Work
from transcription.engine.fallback import next_temperature
from transcription.engine.lane_queue import Request, request_ids
from transcription.engine.models import Models
from transcription.engine.request_queue import RequestQueue
from transcription.engine.stages import announce, prepare, time_words
from transcription.engine.types import LANES, EngineError, Lane
from transcription.engine.window_transcript import WindowTranscript

log = logging.getLogger(__name__)

URGENT = LANES[:1]

Pending = tuple[StepModel, Request]


@dataclass(slots=True, eq=False)
class _UnderWay:
    """The requests of one model that are under way, by their work."""

    model: StepModel
    requests: dict[Work, Request] = field(default_factory=dict)


class StepLoop:
    """Drives StepModels.

    encode_batch: windows to encode at once. ahead: encoded windows that may wait for a slot; urgent windows are
    encoded however many wait.
    """

    def __init__(self, models: Models, queue: RequestQueue, encode_batch: int, ahead: int) -> None:
        self._models = models
        self._queue = queue
        self._encode_batch = encode_batch
        self._ahead = ahead
        self._encoded: deque[Pending] = deque()
        self._halves: deque[list[Pending]] = deque()
        self._heard: deque[tuple[StepModel, Request, WindowTranscript]] = deque()
        self._under_way: dict[StepModel, _UnderWay] = {}

    def rounds(self) -> list[Callable[[], None]]:
        """Returns a function for each thread, which is called again and again until the queue stops."""
        return [self._prepare, self._step, self._time]

    # The encoding thread

    def _prepare(self) -> None:
        """Encodes the next windows."""
        queue = self._queue
        with queue.changed:
            queue.changed.wait_for(lambda: queue.stopping or queue.ready(self._wanted_lanes()) > 0)
            requests = queue.take(
                0 if queue.stopping else self._encode_batch, _model_name, self._wanted_lanes(), self._models.prefers
            )
        if requests:
            self._encode(requests)

    def _wanted_lanes(self) -> Sequence[Lane]:
        return LANES if len(self._encoded) < self._ahead else URGENT

    def _encode(self, requests: Sequence[Request]) -> None:
        name = requests[0].work.options.model
        announce(requests)
        try:
            model = cast("StepModel", self._models.acquire(name, users=len(requests)))
        except EngineError as error:
            for request in requests:
                self._queue.fail(request, error)
            return
        ready = prepare(self._queue, model, requests, self._shrink)
        self._models.release(name, users=len(requests) - len(ready))
        with self._queue.changed:
            self._encoded.extend((model, request) for request in ready)
            self._queue.changed.notify_all()

    def _shrink(self, windows: int) -> None:
        self._encode_batch = max(1, min(self._encode_batch, windows // 2))
        log.warning("out of memory with %d windows; encoding %d at once from now on", windows, self._encode_batch)

    # The word-timing thread

    def _time(self) -> None:
        """Times the words of decoded windows, as many at once as are encoded at once."""
        queue = self._queue
        with queue.changed:
            queue.changed.wait_for(lambda: queue.stopping or self._heard)
            if queue.stopping:
                return
            first = self._heard[0][0]
            batch = [entry for entry in self._heard if entry[0] is first][: self._encode_batch]
            self._heard = deque(entry for entry in self._heard if entry not in batch)
        transcripts = {request: transcript for _, request, transcript in batch}
        for request in time_words(queue, first, transcripts, self._shrink):
            queue.answer(request, transcripts[request])
        self._release(transcripts)

    def _release(self, requests: Iterable[Request]) -> None:
        for request in requests:
            self._models.release(request.work.options.model)

    # The stepping thread

    def _step(self) -> None:
        """Admits windows and runs one step of every model that has windows under way."""
        queue = self._queue
        with queue.changed:
            queue.changed.wait_for(lambda: queue.stopping or self._encoded or self._halves or self._under_way)
            self._drop_abandoned()
            entering = self._entering()
        for model, requests in entering.items():
            self._admit(model, requests)
        # A model without windows may be closed at any time, so that it is not stepped.
        for under_way in [under_way for under_way in self._under_way.values() if under_way.requests]:
            self._advance(under_way)
        self._under_way = {model: under_way for model, under_way in self._under_way.items() if under_way.requests}

    def _entering(self) -> dict[StepModel, list[Request]]:
        """Removes and returns the windows for the free slots: urgent ones first, then halves of a group that failed."""
        order = sorted(self._encoded, key=lambda pending: LANES.index(pending[1].stream.lane))
        if self._halves:
            order = [pending for pending in order if pending[1].stream.lane in URGENT]
            if not order and not self._under_way:
                return _by_model(self._halves.popleft())
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
        for waiting in (self._encoded, *self._halves):
            for pending in [pending for pending in waiting if pending[1].stream.abandoned]:
                waiting.remove(pending)
                self._leave(pending[1])
        self._halves = deque(group for group in self._halves if group)
        for under_way in self._under_way.values():
            for work in [work for work, request in under_way.requests.items() if request.stream.abandoned]:
                under_way.model.evict(work)
                self._leave(under_way.requests.pop(work))

    def _leave(self, request: Request) -> None:
        self._queue.discard(request)
        self._models.release(request.work.options.model)

    def _admit(self, model: StepModel, requests: Sequence[Request]) -> None:
        """Admits windows to a model's slots. Where that fails, windows that are under way continue."""
        if not requests:
            return
        under_way = self._under_way.get(model)
        try:
            with self._queue.timed(len(requests)):
                model.admit([request.work for request in requests])
        except DeviceLost:
            raise
        except Exception as error:
            short = isinstance(error, OutOfDeviceMemory)
            if short:
                model.halve()
            if short and under_way is not None and under_way.requests:
                self._put_back([(model, request) for request in requests])
            elif len(requests) == 1:
                self._give_up(requests[0], error)
            else:
                for request in requests:
                    self._admit(model, [request])
            return
        under_way = self._under_way.setdefault(model, _UnderWay(model))
        under_way.requests |= {request.work: request for request in requests}

    def _advance(self, under_way: _UnderWay) -> None:
        try:
            with self._queue.timed():
                under_way.model.step()
                done = under_way.model.finished()
        except DeviceLost:
            raise
        except Exception as error:
            self._recover(under_way, error)
            return
        for work, decoded in done:
            self._conclude(under_way.model, under_way.requests.pop(work), decoded)

    def _recover(self, under_way: _UnderWay, error: Exception) -> None:
        """Takes back a model's windows after a failed step, to admit them again in smaller groups.

        The window at fault is alone in its group in the end, and fails.
        """
        requests = list(under_way.requests.values())
        for request in requests:
            under_way.model.evict(request.work)
        under_way.requests.clear()
        if len(requests) == 1:
            self._give_up(requests[0], error)
            return
        log.warning("%s: %d windows under way failed together: %s", request_ids(requests), len(requests), error)
        again = [(under_way.model, request) for request in requests]
        if isinstance(error, OutOfDeviceMemory):
            under_way.model.halve()
            self._put_back(again)
        else:
            half = len(again) // 2
            self._halves.extendleft((again[half:], again[:half]))

    def _put_back(self, pending: Sequence[Pending]) -> None:
        with self._queue.changed:
            self._encoded.extendleft(reversed(pending))

    def _give_up(self, request: Request, error: Exception) -> None:
        self._queue.fail(request, error)
        self._models.release(request.work.options.model)

    def _conclude(self, model: StepModel, request: Request, decoded: Decoded) -> None:
        hotter = next_temperature(decoded, request.work.temperature, request.work.options.temperature)
        if hotter is not None:
            request.work.temperature = hotter
            self._put_back([(model, request)])
            return
        try:
            transcript = WindowTranscript(request.work, decoded, model.vocabulary)
        except Exception as error:
            self._give_up(request, error)
            return
        if transcript.text:
            with self._queue.changed:
                self._heard.append((model, request, transcript))
                self._queue.changed.notify_all()
            return
        self._queue.answer(request, transcript)
        self._models.release(request.work.options.model)


def _by_model(group: Sequence[Pending]) -> dict[StepModel, list[Request]]:
    models = dict.fromkeys(model for model, _ in group)
    return {model: [request for own, request in group if own is model] for model in models}


def _model_name(work: Work) -> str:
    return work.options.model
