"""Do 8-bit keys and values cost words? `python -m benchmarks.int8 [errors] [texts] [SET…] [--slots N]`

errors: how far the cross-attention of base is from its own in fp32, at each step of some clips, where its keys or its
values are kept in 8 bits with a scale for each position of a head, or for each channel of a head.

texts: word errors of base on torch in fp32, in windows of 30 s, greedy and without fallback, with and without; the
8-bit numbers and their float16 scales are those that a GPU computes with. Sets are those of `benchmarks.modes` that
have a reference, and words name the ones that are measured. Errors are of characters in other languages.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as attend
from whisper.audio import N_SAMPLES, log_mel_spectrogram

from benchmarks import wer
from benchmarks.continuous import decode_all
from benchmarks.modes import errors_of, sets
from benchmarks.speech import Sound, clips, pcm
from benchmarks.table import machine, print_table
from benchmarks.whisper_base import base_model
from transcription.engine.decode_result import DecodeResult
from transcription.engine.torch_backend.cross import CROSSES, CrossName, KeysValues
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.encoder import Encoder
from transcription.engine.torch_backend.int8 import quantised, restored
from transcription.engine.torch_backend.parameters import Parameters, of_whisper
from transcription.engine.torch_backend.slots import SlotDecoder
from transcription.engine.torch_backend.vocabulary import start_of

PARTS = ("errors", "texts")
WAYS: tuple[CrossName, CrossName] = ("keys_values", "int8")
LISTENED = 6
"""Clips whose attention is compared."""

Errors = tuple[list[float], list[float]]
"""Of 8-bit keys, and of 8-bit values."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", metavar="PART or SET")
    parser.add_argument("--slots", type=int, default=4)
    arguments = parser.parse_args()
    parts = [part for part in PARTS if part in arguments.words] or PARTS
    words = [word for word in arguments.words if word not in PARTS]
    parameters = of_whisper(base_model())
    print(f"{machine()}, torch {torch.__version__}, base")
    with torch.inference_mode():
        if "errors" in parts:
            _print_errors(parameters)
        if "texts" in parts:
            _print_texts(parameters, words, arguments.slots)


def _print_errors(parameters: Parameters) -> None:
    found: dict[str, Errors] = {"position": ([], []), "channel": ([], [])}

    class Compared(KeysValues):
        def attend(self, layer: int, query: Tensor, mask: Tensor | None = None) -> Tensor:
            exact = super().attend(layer, query, mask)
            key, value = self.keys[layer], self.values[layer]
            for name, way in (("position", _by_position), ("channel", _by_channel)):
                for errors, one in zip(
                    found[name], (attend(query, way(key), value), attend(query, key, way(value))), strict=True
                ):
                    errors.append(float((one - exact).norm() / exact.norm()))
            return exact

    with patch.dict(CROSSES, keys_values=Compared):
        decoder = SlotDecoder(parameters, 1)
    for clip in clips()[:LISTENED]:
        _decoded(decoder, _encodings(decoder, Sound(pcm(clip.path), clip.text)), "en")
    rows = [[name, *(f"{np.mean(errors):.2%}" for errors in both)] for name, both in found.items()]
    print_table(
        "Error of the cross-attention, norm over norm", ["a scale for each", "8-bit keys", "8-bit values"], rows
    )


def _by_position(x: Tensor) -> Tensor:
    return restored(*quantised(x), x.dtype)


def _by_channel(x: Tensor) -> Tensor:
    return _by_position(x.transpose(-1, -2)).transpose(-1, -2)


def _print_texts(parameters: Parameters, words: Sequence[str], slots: int) -> None:
    decoders = [SlotDecoder(parameters, slots, cross=way) for way in WAYS]
    rows = []
    for name, sounds, _ in sets():
        if all(sound.text for sound in sounds) and (not words or any(word in name for word in words)):
            rows.append(_row(decoders, name, sounds))
            print(rows[-1], flush=True)
    head = ["speech", "minutes", "windows", "of other tokens", "WER, fp32", "WER, 8-bit", "8-bit less fp32, 95 %"]
    print_table("Words that are wrong", head, rows)


def _row(decoders: Sequence[SlotDecoder], name: str, sounds: Sequence[Sound]) -> list[str]:
    vocabulary = decoders[0].vocabulary
    errors: list[list[wer.Errors]] = [[] for _ in decoders]
    windows = changed = 0
    for sound in sounds:
        encodings = _encodings(decoders[0], sound)
        heard = [_decoded(decoder, encodings, sound.language) for decoder in decoders]
        for own, results in zip(errors, heard, strict=True):
            own.append(errors_of(sound, "".join(vocabulary.decode(result.tokens) for result in results)))
        windows += len(encodings)
        changed += sum(one.tokens != other.tokens for one, other in zip(*heard, strict=True))
    exact, eight = errors
    low, high = wer.difference(eight, exact)
    minutes = sum(sound.seconds for sound in sounds) / 60
    rates = [f"{wer.rate(own):.2%}" for own in errors]
    return [name, f"{minutes:.1f}", str(windows), str(changed), *rates, f"{low:+.2%} to {high:+.2%}"]


def _encodings(decoder: SlotDecoder, sound: Sound) -> Tensor:
    """Returns the encodings of a sound's windows of 30 s, (windows, 1500, state)."""
    samples = torch.from_numpy(np.frombuffer(sound.pcm, dtype="<i2").copy()) / 32768.0
    mels = decoder.parameters.dims.n_mels
    windows = [log_mel_spectrogram(part, mels, N_SAMPLES - len(part)) for part in samples.split(N_SAMPLES)]
    encode = Encoder(decoder.parameters.audio)
    return torch.cat([encode(window[None]) for window in windows])


def _decoded(decoder: SlotDecoder, encodings: Tensor, language: str) -> list[DecodeResult]:
    start = start_of(decoder.vocabulary, language)
    return decode_all(decoder, [DecodeRequest(encoding, start) for encoding in encodings])


if __name__ == "__main__":
    main()
