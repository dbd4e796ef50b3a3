"""Any number of windows through a few slots."""

from __future__ import annotations

from collections.abc import Sequence

from transcription.engine.decode_result import DecodeResult
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.slots import SlotDecoder


def decode_all(decoder: SlotDecoder, requests: Sequence[DecodeRequest]) -> list[DecodeResult]:
    """Decode all requests, in their order, filling every slot as soon as it is free.

    Raises ValueError for a request that cannot be decoded; the others are then given up too.
    """
    results: dict[int, DecodeResult] = {}
    number_of: dict[int, int] = {}
    waiting = list(range(len(requests)))
    try:
        while len(results) < len(requests):
            entering, waiting = waiting[: decoder.free], waiting[decoder.free :]
            slots = decoder.admit_all([requests[number] for number in entering])
            number_of |= dict(zip(slots, entering, strict=True))
            decoder.step()
            for slot, result in decoder.finished():
                results[number_of.pop(slot)] = result
    except BaseException:
        for slot in number_of:
            decoder.evict(slot)
        raise
    return [results[number] for number in range(len(requests))]
