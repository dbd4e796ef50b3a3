"""Beam search with continuous batching: windows enter and leave between its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from transcription.engine.beam_search import Search, StepInput
from transcription.engine.decode_result import DecodeResult
from transcription.engine.torch_backend.admission import Admission
from transcription.engine.torch_backend.beam_step import BeamStep, Candidates
from transcription.engine.torch_backend.buckets import smallest
from transcription.engine.torch_backend.cache import SlotCache
from transcription.engine.torch_backend.cross import CrossName
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.decoder import Decoder
from transcription.engine.torch_backend.device import DEVICE, URGENT
from transcription.engine.torch_backend.parameters import Parameters
from transcription.engine.torch_backend.readback import Occupant
from transcription.engine.torch_backend.step import StepShape
from transcription.engine.torch_backend.text_decoder import TextDecoder


class BeamDecoder(Decoder):
    """Decodes several windows at once, each with a beam search whose result is that of openai-whisper's beam_size.

    Not thread-safe. The beams of a window are the queries of one cross-attention, which reads its encoding once.

    The host ranks the candidates of each step, which takes a copy in each direction. On CUDA, `step` only queues
    work; the next `step`, or `finished` once the copy has arrived, ranks them.
    """

    def __init__(
        self,
        parameters: Parameters,
        windows: int,
        beams: int,
        cross: CrossName = "keys_values",
        priority: int = URGENT,
    ) -> None:
        """Allocates the memory of all windows, `slot_mib` of memory.py for each.

        cross, priority: as in SlotDecoder. Its steps are no CUDA graphs: their capture would keep all other windows
        waiting for seconds.
        """
        super().__init__(parameters, windows, priority)
        self.beams = beams
        self._searches: dict[int, Search] = {}
        with self._stream.before_the_rest():
            self._cache = SlotCache(parameters, windows, cross, beams)
            decoder = TextDecoder(parameters, self._cache)
            self._step = BeamStep(parameters, decoder, self.vocabulary, windows * beams, beams + 1)
            self._candidates = Candidates(self._step)
            self._admission = Admission(parameters, self._tensors, decoder, self._step.state, beams)
        self._pending: list[Occupant] = []
        self._done: list[Occupant] = []

    def admit_all(self, requests: Sequence[DecodeRequest]) -> list[int]:
        """Admits windows as Decoder.admit_all does. Raises ValueError for a temperature above 0, too."""
        if any(request.temperature for request in requests):
            raise ValueError("beams are for a temperature of 0")
        slots = super().admit_all(requests)
        self._searches |= zip(slots, map(self._search, requests), strict=True)
        return slots

    @torch.inference_mode()
    def step(self) -> None:
        """Feeds every beam of every window one token. Does nothing while all slots are free."""
        self._rank()
        running = {slot: search for slot, search in self._searches.items() if not search.done}
        if running:
            with self._stream.current():
                self._advance(running)

    def _advance(self, running: Mapping[int, Search]) -> None:
        longest = max(search.position for search in running.values()) + 1
        self._reorder(running, longest)
        beams: list[StepInput | None] = [None] * (self._compact() * self.beams)
        for slot, search in running.items():
            beams[self._rows(slot)] = search.step_inputs()
        self._candidates.send(beams)
        audio = self._audio([self._allocator.occupants[slot] for slot in running])
        with DEVICE.shared():
            self._step(StepShape(len(beams), smallest(self._contexts, longest), sampled=False, audio=audio))
        self._candidates.fetch()
        self._pending = [self._allocator.occupants[slot] for slot in running]

    def finished(self) -> list[tuple[int, DecodeResult]]:
        """Returns the finished windows by slot, each once, and frees their slots. Never waits for the device."""
        if self._candidates.ready:
            self._rank()
        collected, self._done = self._done, []
        done = [(occupant.slot, self._searches[occupant.slot].result()) for occupant in collected]
        for slot, _ in done:
            self.evict(slot)
        return done

    def evict(self, slot: int) -> None:
        occupant = self._allocator.occupants.pop(slot)
        del self._searches[slot]
        self._done = [other for other in self._done if other is not occupant]

    def _search(self, request: DecodeRequest) -> Search:
        end = self._tensors.end_of(request)
        start, vocabulary = request.start, self.vocabulary
        eot, stamps = vocabulary.eot, vocabulary.timestamp_begin
        return Search(start.tokens, start.sot_index + 1, end, self.beams, eot, stamps)

    def _rows(self, slot: int) -> slice:
        """Returns the rows of a window's beams."""
        first = self._allocator.occupants[slot].row * self.beams
        return slice(first, first + self.beams)

    def _rank(self) -> None:
        """Ranks the candidates of the last step, unless that is done already."""
        if not self._pending:
            return
        no_speech, logprobs, tokens = self._candidates.read()
        pending, self._pending = self._pending, []
        for occupant in filter(self._allocator.holds, pending):
            search, rows = self._searches[occupant.slot], self._rows(occupant.slot)
            search.advance(logprobs[rows], tokens[rows], float(no_speech[rows.start]))
            if search.done:
                self._done.append(occupant)

    def _reorder(self, searches: Mapping[int, Search], context: int) -> None:
        """Copies to every beam the keys and values of the beam whose text it continues."""
        moves = [
            (self._rows(slot).start + source, self._rows(slot).start + target)
            for slot, search in searches.items()
            for target, source in enumerate(search.sources)
            if source != target
        ]
        if moves:
            with DEVICE.shared():
                sources, targets = (self._tensors.rows(rows) for rows in zip(*moves, strict=True))
                self._cache.reorder(sources, targets, context)
        for search in searches.values():
            search.reset_sources()

    def _compact(self) -> int:
        """Moves windows to lower rows if that makes the step smaller, and returns how many windows it covers."""
        windows = smallest(self._batches, len(self._allocator.occupants))
        for occupant, row in self._allocator.beyond(windows):
            self._cache.move(occupant.row, row)
            for beam in range(self.beams):
                self._step.state.move(occupant.row * self.beams + beam, row * self.beams + beam)
            occupant.row = row
        return windows
