"""Our decoder against openai-whisper's, window by window: `python -m benchmarks.parity [--clips N]`.

Every clip of pytest-audioeval in its own language and every clip that `SPEECH` names, plain, with a
prompt, and translated where it isn't English. The weights are those of base, in `WHISPER_WEIGHTS`.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from whisper.decoding import DecodingOptions, DecodingResult, decode
from whisper.model import Whisper

from benchmarks.continuous import decode_all
from benchmarks.encodings import encoding_of
from benchmarks.speech import clips
from benchmarks.table import machine, print_table
from benchmarks.whisper_base import base_model
from transcription.engine.decode_result import DecodeResult
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.parameters import of_whisper
from transcription.engine.torch_backend.slots import SlotDecoder
from transcription.engine.torch_backend.vocabulary import start_of

BATCHES = (1, 4, 8)
PROMPT = "Dr. Grünwald, the printer's devil; chapter 2."


@dataclass(frozen=True)
class Window:
    kind: str
    language: str
    task: str
    prompt: str
    expected: DecodingResult
    request: DecodeRequest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=1000, help="how many clips of each set at most")
    most = parser.parse_args().clips
    model = base_model()
    parameters = of_whisper(model)
    recordings = [*_package_clips(most), *[(clip.path, "en") for clip in clips()[:most]]]
    windows = list(_windows(model, SlotDecoder(parameters, 1), list(dict.fromkeys(recordings))))
    rows = []
    for batch in BATCHES:
        results = decode_all(SlotDecoder(parameters, batch), [window.request for window in windows])
        rows += _rows(batch, windows, results)
    print(f"{machine()}, torch {torch.__version__}, Whisper base, fp32")
    head = ["windows", "batch", "count", "same tokens", "largest Δ avg_logprob", "largest Δ no_speech_prob"]
    print_table("Parity with openai-whisper 20250625", head, rows)


def _package_clips(most: int) -> list[tuple[Path, str]]:
    package = importlib.util.find_spec("pytest_audioeval")
    assert package is not None
    assert package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0]) / "samples" / "audio"
    return [(path, path.parent.name) for path in sorted(folder.glob("*/*.wav"))][:most]


def _windows(model: Whisper, decoder: SlotDecoder, recordings: list[tuple[Path, str]]) -> Iterator[Window]:
    for path, language in recordings:
        encoding = encoding_of(decoder, path)
        kinds = [("plain", "transcribe", ""), ("prompt", "transcribe", PROMPT)]
        for kind, task, prompt in [*kinds, *([("translate", "translate", "")] if language != "en" else [])]:
            options = DecodingOptions(task=task, language=language, prompt=prompt or None, fp16=False)
            before = decoder.vocabulary.encode(f" {prompt}") if prompt else ()
            request = DecodeRequest(encoding, start_of(decoder.vocabulary, language, task, before))
            yield Window(kind, language, task, prompt, decode(model, encoding, options), request)


def _rows(batch: int, windows: list[Window], results: list[DecodeResult]) -> list[list[str]]:
    by_kind: dict[str, list[tuple[bool, float, float]]] = defaultdict(list)
    for window, result in zip(windows, results, strict=True):
        expected = window.expected
        same = list(result.tokens) == expected.tokens
        silence = abs(result.no_speech_prob - expected.no_speech_prob)
        by_kind[window.kind].append((same, abs(result.avg_logprob - expected.avg_logprob), silence))
    return [
        [
            kind,
            str(batch),
            str(len(found)),
            f"{sum(same for same, _, _ in found) / len(found):.1%}",
            f"{max(logprob for _, logprob, _ in found):.1e}",
            f"{max(silence for _, _, silence in found):.1e}",
        ]
        for kind, found in by_kind.items()
    ]


if __name__ == "__main__":
    main()
