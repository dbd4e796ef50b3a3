"""Our decoder's speed against openai-whisper's: `python -m benchmarks.decoder [--windows N]`.

The same encoded windows through both, in turns, on this machine's CPU. openai-whisper decodes
`batch` windows at a time, all of them until the longest is done; ours has `batch` slots and keeps
them full. Encoding is not part of the time; the keys and values of the cross-attention are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor
from whisper.decoding import DecodingOptions, decode
from whisper.model import Whisper

from benchmarks.continuous import decode_all
from benchmarks.encodings import encoding_of
from benchmarks.speech import clips
from benchmarks.table import machine, print_table, spread
from benchmarks.whisper_base import base_model
from transcription.engine.torch_backend.cross import CrossName
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.parameters import of_whisper
from transcription.engine.torch_backend.slots import SlotDecoder
from transcription.engine.torch_backend.vocabulary import start_of, vocabulary_of

BATCHES = (1, 4, 8)


def main() -> None:
    arguments = _arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    model = base_model()
    encodings = _encodings(model, arguments.windows)
    ways: dict[str, Callable[[], int]] = {}
    for batch in BATCHES:
        ways[f"openai-whisper, batch {batch}"] = _theirs(model, encodings, batch)
        ways[f"ours, {batch} slots"] = _ours(model, encodings, batch)
        ways[f"ours, {batch} slots, absorbed"] = _ours(model, encodings, batch, "absorbed")
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    tokens: dict[str, int] = {}
    for turn in range(arguments.repeats + 1):
        for name, way in ways.items():
            begin = time.perf_counter()
            tokens[name] = way()
            # The first turn warms up.
            seconds[name] += [time.perf_counter() - begin] if turn else []
    print(f"{machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads, Whisper base, fp32")
    rows = [_row(name, len(encodings), tokens[name], seconds[name]) for name in ways]
    print_table("Decoding", ["", "tokens", "time", "windows/s", "tokens/s"], rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    return parser.parse_args()


def _encodings(model: Whisper, windows: int) -> Tensor:
    """(windows, 1500, state)."""
    decoder = SlotDecoder(of_whisper(model), 1)
    return torch.stack([encoding_of(decoder, clip.path) for clip in clips()[:windows]])


def _theirs(model: Whisper, encodings: Tensor, batch: int) -> Callable[[], int]:
    options = DecodingOptions(language="en", fp16=False)
    return lambda: sum(len(result.tokens) for part in encodings.split(batch) for result in decode(model, part, options))


def _ours(model: Whisper, encodings: Tensor, batch: int, cross: CrossName = "keys_values") -> Callable[[], int]:
    decoder = SlotDecoder(of_whisper(model), batch, cross=cross)
    requests = [DecodeRequest(encoding, start_of(vocabulary_of(model.dims), "en")) for encoding in encodings]
    return lambda: sum(len(result.tokens) for result in decode_all(decoder, requests))


def _row(name: str, windows: int, tokens: int, seconds: list[float]) -> list[str]:
    middle = sorted(seconds)[len(seconds) // 2]
    return [name, str(tokens), spread(seconds, digits=2), f"{windows / middle:.2f}", f"{tokens / middle:.0f}"]


if __name__ == "__main__":
    main()
