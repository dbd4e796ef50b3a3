"""Our own way from spectrograms to tokens: an encoder in a thread and a stream of its own, slots kept full."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benchmarks.gpu_model import Job
from transcription.engine.decode_result import DecodeResult
from transcription.engine.torch_backend.device import DEVICE
from transcription.engine.torch_backend.encoder import Encoder
from transcription.engine.torch_backend.slots import SlotDecoder

ENCODER_BATCH = 8
AHEAD = 4
"""Encoded batches that may wait for a free slot."""

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, eq=False)
class _Encoded:
    """encodings: (batch, 1500, state). ready: what the decoder's stream must wait for."""

    encodings: Tensor
    ready: torch.cuda.Event | None


@dataclass
class Timings:
    """Seconds that the host spent queueing each step."""

    steps: list[float] = field(default_factory=list)

    @property
    def step_ms(self) -> float:
        ordered = sorted(self.steps) or [0.0]
        return 1000 * ordered[len(ordered) // 2]


def run(decoder: SlotDecoder, job: Job, mels: Tensor, timings: Timings | None = None) -> list[DecodeResult]:
    """Encode and decode windows, (windows, n_mels, 3000); results as they came. Waits for the device.

    Raises what the encoder's thread raised.
    """
    results: list[DecodeResult] = []
    waiting: list[Tensor] = []
    with _encoder(decoder, mels) as encoded:
        while len(results) < len(mels):
            idle = not waiting and decoder.free == decoder.slots
            waiting += _arrived(encoded, decoder, wait=idle, wanted=decoder.free - len(waiting))
            if waiting and decoder.free:
                entering, waiting = waiting[: decoder.free], waiting[decoder.free :]
                decoder.admit_all([job.request(encoding) for encoding in entering])
            begin = time.perf_counter()
            decoder.step()
            if timings is not None:
                timings.steps.append(time.perf_counter() - begin)
            results += [result for _, result in decoder.finished()]
    return results


@contextmanager
def _encoder(decoder: SlotDecoder, mels: Tensor) -> Iterator[queue.Queue[_Encoded | BaseException]]:
    """Encodes in a thread for as long as the context lasts."""
    encoded: queue.Queue[_Encoded | BaseException] = queue.Queue(AHEAD)
    stop = threading.Event()
    thread = threading.Thread(target=_encode_all, args=(decoder, mels, encoded, stop), daemon=True)
    thread.start()
    try:
        yield encoded
    finally:
        stop.set()
        thread.join()


def _encode_all(
    decoder: SlotDecoder, mels: Tensor, encoded: queue.Queue[_Encoded | BaseException], stop: threading.Event
) -> None:
    try:
        encode = Encoder(decoder.parameters.audio)
        stream = torch.cuda.Stream(mels.device) if mels.is_cuda else None
        for part in mels.split(min(ENCODER_BATCH, decoder.slots)):
            with DEVICE.shared(), torch.cuda.stream(stream) if stream else nullcontext():
                encodings = encode(part)
                ready = stream.record_event() if stream else None
            if not _put(encoded, _Encoded(encodings, ready), stop):
                return
    except BaseException as error:
        _put(encoded, error, stop)


def _put(encoded: queue.Queue[_Encoded | BaseException], item: _Encoded | BaseException, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            encoded.put(item, timeout=0.05)
            return True
        except queue.Full:
            continue
    return False


def _arrived(
    encoded: queue.Queue[_Encoded | BaseException], decoder: SlotDecoder, wait: bool, wanted: int
) -> list[Tensor]:
    """Encodings that can be had now, at least one if `wait`, and no more batches than fill `wanted` slots."""
    found: list[Tensor] = []
    while wait or len(found) < wanted:
        if encoded.empty() and not wait:
            break
        # This thread alone takes from the queue: what isn't empty stays so.
        item = encoded.get(timeout=PATIENCE_SECONDS)
        wait = False
        if isinstance(item, BaseException):
            raise item
        found += _taken_over(item, decoder)
    return found


def _taken_over(item: _Encoded, decoder: SlotDecoder) -> list[Tensor]:
    """The encodings for use on the decoder's stream."""
    if item.ready is not None:
        own = torch.cuda.current_stream(decoder.parameters.device)
        own.wait_event(item.ready)
        # Or the encoder's stream might get this memory back while the decoder still reads it.
        item.encodings.record_stream(own)
    return list(item.encodings)
