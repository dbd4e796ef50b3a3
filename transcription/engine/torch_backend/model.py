"""An open Whisper, which turns works into requests for its decoders and results into text."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from transcription.engine.backend import (
    Decoded,
    DeviceLost,
    Language,
    OutOfDeviceMemory,
    WordTiming,
    Work,
    by_encoder_frames,
)
from transcription.engine.decode_result import DecodeResult
from transcription.engine.short_context import token_limit
from transcription.engine.torch_backend.alignment import Aligner, AlignmentRequest
from transcription.engine.torch_backend.beams import BeamDecoder
from transcription.engine.torch_backend.cross import CrossName
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.decoder import Decoder
from transcription.engine.torch_backend.device import DEVICE, ORDINARY, WorkStream
from transcription.engine.torch_backend.encoder import Encoder
from transcription.engine.torch_backend.encoder_graphs import EncoderGraphs
from transcription.engine.torch_backend.errors import translated_errors
from transcription.engine.torch_backend.mel import features
from transcription.engine.torch_backend.parameters import Parameters, in_float32
from transcription.engine.torch_backend.slot_allocator import reserved
from transcription.engine.torch_backend.slots import SlotDecoder
from transcription.engine.torch_backend.vocabulary import start_of, vocabulary_of
from transcription.engine.types import DoesNotFit

ENCODED_WINDOWS = (1, 2)
"""Windows that the scheduler has encoded at once."""

BEAM_WINDOWS = 2
"""Windows of one number of beams that are searched at once."""


@dataclass(slots=True)
class _Running:
    """A decoder with the works in its slots."""

    decoder: Decoder
    works: dict[int, Work] = field(default_factory=dict)

    def slot_of(self, work: Work) -> int | None:
        return next((slot for slot, own in self.works.items() if own is work), None)


class TorchModel:
    """A StepModel: greedy and sampled windows in slots, searched ones in decoders with beams."""

    def __init__(
        self, parameters: Parameters, slots: int, cross: CrossName, graphs: bool = True, is_short: bool = False
    ) -> None:
        self.vocabulary = vocabulary_of(parameters.dims)
        self._parameters = parameters
        self.cross = cross
        self.is_short = is_short
        self._side = WorkStream(parameters.device)
        self._aside = threading.Lock()
        self._encoding = threading.Lock()
        with DEVICE.shared():
            self._slots = SlotDecoder(parameters, slots, graphs=graphs, cross=cross)
            self._aligner = Aligner(parameters)
        self._slots.warm_up()
        cuda = parameters.device.type == "cuda"
        self._encoder = EncoderGraphs(parameters, ENCODED_WINDOWS, self._side, enabled=cuda and graphs)
        self._running: dict[int, _Running] = {1: _Running(self._slots)}
        self._reserved = reserved(slots)
        self._failed: list[tuple[Work, Exception]] = []

    @property
    def is_open(self) -> bool:
        return bool(self._running)

    @property
    def slots(self) -> int:
        return self._slots.limit

    def encode(self, works: Sequence[Work]) -> None:
        for missing in by_encoder_frames(work for work in works if work.encoding is None):
            with translated_errors(), self._encoding, self._beside():
                mels = features([work.window for work in missing], self._parameters.dims.n_mels, self._device)
                for work, encoding in zip(missing, self._encoder(mels), strict=True):
                    work.encoding = encoding

    def detect(self, works: Sequence[Work]) -> list[Language]:
        found: dict[Work, dict[str, float]] = {}
        for some in by_encoder_frames(works):
            with translated_errors(), self._beside():
                chances = self._slots.language_chances(torch.stack([_encoding(work) for work in some]))
            found |= dict(zip(some, chances, strict=True))
        return [Language.likeliest(found[work]) for work in works]

    def align(self, works: Sequence[Work], texts: Sequence[Sequence[int]]) -> list[list[WordTiming]]:
        spoken = {work: _spoken(work, text) for work, text in zip(works, texts, strict=True)}
        found: dict[Work, list[WordTiming]] = {}
        for some in by_encoder_frames(works):
            with translated_errors(), self._aside, self._beside():
                found |= dict(zip(some, self._aligner([spoken[work] for work in some]), strict=True))
        return [found[work] for work in works]

    def room(self, works: Sequence[Work]) -> bool:
        for beams in {work.beams for work in works}:
            wanted = [work for work in works if work.beams == beams]
            kept = 0 if wanted[-1].options.lane == "interactive" or beams > 1 else self._reserved
            running = self._running.get(beams)
            free = running.decoder.free if running else 0 if self._searching(beams) else BEAM_WINDOWS
            if len(wanted) + kept > free:
                return False
        return len({work.beams for work in works} - {1}) <= 1

    def admit(self, works: Sequence[Work]) -> None:
        try:
            with DEVICE.shared(), translated_errors():
                # The decoders first: where there is no memory for one, nothing was admitted yet.
                for beams in {work.beams for work in works} - self._running.keys():
                    self._open_search(beams)
                for beams in {work.beams for work in works}:
                    self._admit([work for work in works if work.beams == beams], self._running[beams])
        except DeviceLost:
            raise
        except Exception as error:
            for work in works:
                self.evict(work)
            if isinstance(error, OutOfDeviceMemory) and (beams := max(work.beams for work in works)) > 1:
                raise _too_large(beams) from error
            raise

    def _admit(self, works: Sequence[Work], running: _Running) -> None:
        slots = running.decoder.admit_all([self._request(work) for work in works])
        running.works |= dict(zip(slots, works, strict=True))

    def step(self) -> None:
        for beams, running in self._running.items():
            try:
                if running.works:
                    with translated_errors():
                        running.decoder.step()
            except OutOfDeviceMemory as error:
                if beams == 1:
                    raise
                # What is decoded without beams goes on, with as many slots as before.
                works = list(running.works.values())
                for work in works:
                    self.evict(work)
                self._failed += [(work, _too_large(beams) if len(works) == 1 else error) for work in works]

    def finished(self) -> Sequence[tuple[Work, Decoded | Exception]]:
        with translated_errors():
            done = [
                (running.works.pop(slot), result)
                for running in self._running.values()
                for slot, result in running.decoder.finished()
            ]
        failed, self._failed = self._failed, []
        return [*failed, *((work, self._outcome(result)) for work, result in done)]

    def decode_apart(self, work: Work) -> Decoded:
        if self._parameters.dtype == torch.float32:
            raise ArithmeticError("the model's probabilities are not numbers")
        with translated_errors(), self._aside:
            with self._beside():
                parameters = in_float32(self._parameters)
                mels = features([work.window], parameters.dims.n_mels, self._device)
                encoding = Encoder(parameters.audio)(mels)[0]
                work.encoding = encoding.to(self._parameters.dtype)
            with DEVICE.shared():
                decoder: Decoder = (
                    SlotDecoder(parameters, 1, graphs=False, cross="absorbed", priority=ORDINARY)
                    if work.beams == 1
                    else BeamDecoder(parameters, 1, work.beams, cross="absorbed", priority=ORDINARY)
                )
                decoder.admit(replace(self._request(work), encoding=encoding))
            while not (done := decoder.finished()):
                decoder.step()
            decoder.close()
        return done[0][1].decoded(self.vocabulary)

    def evict(self, work: Work) -> None:
        self._failed = [(other, error) for other, error in self._failed if other is not work]
        running = self._running.get(work.beams)
        slot = running.slot_of(work) if running else None
        if running is not None and slot is not None:
            del running.works[slot]
            running.decoder.evict(slot)

    def halve(self) -> None:
        self._drop_idle_beams()
        for running in self._running.values():
            running.decoder.limit = max(1, running.decoder.limit // 2)
        self._reserved = reserved(self._slots.limit)

    def close(self) -> None:
        cuda = self._device.type == "cuda"
        with DEVICE.alone():
            while self._running:
                self._running.popitem()[1].decoder.close()  # and no name is left of it: it holds the device's memory
            self._side.close()
            del self._slots, self._encoder, self._aligner, self._parameters
            gc.collect()  # a decoder and its graphs know each other
            if cuda:
                torch.cuda.empty_cache()

    @property
    def _device(self) -> torch.device:
        return self._parameters.device

    @contextmanager
    def _beside(self) -> Iterator[None]:
        """Runs the block on a CUDA stream of its own, never beside a capture, and waits for its end."""
        with DEVICE.shared():
            with self._side.current():
                yield
            self._side.synchronize()

    def _searching(self, beams: int) -> bool:
        """Returns whether windows are being searched with another number of beams."""
        return any(running.works for number, running in self._running.items() if number not in (1, beams))

    def _drop_idle_beams(self) -> None:
        for beams, running in list(self._running.items()):
            if beams > 1 and not running.works:
                running.decoder.close()
                del self._running[beams]

    def _open_search(self, beams: int) -> None:
        """Opens a decoder with so many beams in place of idle ones: each takes as much memory as several slots."""
        self._drop_idle_beams()
        self._running[beams] = _Running(BeamDecoder(self._parameters, BEAM_WINDOWS, beams, cross=self.cross))

    def _request(self, work: Work) -> DecodeRequest:
        encoding = _encoding(work)
        start = start_of(self.vocabulary, work.language, work.options.task, work.prompt)
        tail = work.window.tail
        first = tail.after if tail else None
        limit = token_limit(work.window)
        # One token more than is allowed shows that there are too many.
        most, urgent = None if limit is None else limit + 1, work.options.lane == "interactive"
        return DecodeRequest(encoding, start, work.temperature, work.seed, first, max_tokens=most, urgent=urgent)

    def _outcome(self, result: DecodeResult) -> Decoded | Exception:
        try:
            return result.decoded(self.vocabulary)
        except Exception as error:
            return error


def _too_large(beams: int) -> DoesNotFit:
    return DoesNotFit(f"a search with {beams} beams does not fit into the GPU's memory: ask for fewer beams")


def _encoding(work: Work) -> Tensor:
    if not isinstance(work.encoding, Tensor):
        raise TypeError("the window was not encoded")
    return work.encoding


def _spoken(work: Work, text: Sequence[int]) -> AlignmentRequest:
    frames = work.window.sounding_frames
    return AlignmentRequest(_encoding(work), tuple(text), frames, work.language, work.options.task)
