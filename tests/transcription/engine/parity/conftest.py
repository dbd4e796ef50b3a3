"""Fixtures that decode the same windows with openai-whisper and with our own decoders."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
import whisper.timing
from torch import Tensor
from whisper.audio import N_SAMPLES, log_mel_spectrogram
from whisper.decoding import DecodingOptions, DecodingResult, decode
from whisper.model import Whisper

from benchmarks.untrained import untrained_whisper
from tests.transcription.engine.conftest import speech
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.encoder import Encoder
from transcription.engine.torch_backend.loading import load_whisper
from transcription.engine.torch_backend.parameters import Parameters, of_whisper
from transcription.engine.torch_backend.slots import SlotDecoder
from transcription.engine.torch_backend.vocabulary import Start, start_of, vocabulary_of
from transcription.engine.torch_backend.warping import compiled_dtw
from transcription.engine.types import SAMPLE_RATE

# For a few clips openai-whisper's functions take longer to compile, in each process, than to interpret.
compiled_dtw()  # ours, of the functions as they are
whisper.timing.dtw_cpu = whisper.timing.dtw_cpu.py_func
whisper.timing.backtrace = whisper.timing.backtrace.py_func

BEAMS = 5
LONG_PROMPT = "A fox, a dog, and a number of other animals that met on a Tuesday. " * 20


@dataclass(frozen=True)
class Case:
    """A window with openai-whisper's options for it."""

    clip: str
    language: str = "en"
    task: str = "transcribe"
    prompt: str = ""


CASES = [
    Case("en/quick_brown_fox"),
    Case("en/counting", prompt="1, 2, 3, 4."),
    Case("thirty seconds", prompt=LONG_PROMPT),
    Case("one second"),
    Case("silence"),
    Case("noise", prompt="Once upon a time,"),
    Case("es/conteo", "es"),
    Case("es/conteo", "es", "translate"),
    Case("fr/pangrama", "fr"),
    Case("zh/jishu", "zh", prompt="一二三"),
    Case("en/counting", "de"),
]

REAL_CASES = [Case("en/quick_brown_fox"), Case("zh/jishu", "zh", prompt="一二三"), Case("silence")]
"""The cases for base's weights; the untrained ones take all of CASES."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One set of weights in openai-whisper's model and in ours, with openai-whisper's results, computed once each."""

    model: Whisper
    parameters: Parameters
    encoding: Callable[[str], Tensor]
    expected: Callable[[Case], DecodingResult]
    searched: Callable[[Case], DecodingResult]

    @classmethod
    def of(cls, model: Whisper, encode: Callable[[str], Tensor]) -> Pair:
        """encode: returns the encoding, (1500, state), of a clip."""
        encoding = cache(encode)

        @cache
        def expected(case: Case, beams: int | None = None) -> DecodingResult:
            return decode(model, encoding(case.clip), replace(options_of(case), beam_size=beams))

        return cls(model, of_whisper(model), encoding, expected, partial(expected, beams=BEAMS))

    def request(self, case: Case) -> DecodeRequest:
        return DecodeRequest(self.encoding(case.clip), start_for(self.model, case))


def start_for(model: Whisper, case: Case) -> Start:
    """Returns what a window of this case starts with."""
    vocabulary = vocabulary_of(model.dims)
    prompt = vocabulary.encode(f" {case.prompt.strip()}") if case.prompt else ()
    return start_of(vocabulary, case.language, case.task, prompt[-(model.dims.n_text_ctx // 2 - 1) :])


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Limits torch to one thread: more don't speed small tensors up, and spin while other processes need the cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def pair() -> Pair:
    """Returns a pair with untrained weights, in which the encoding of a clip is noise that its name seeds."""
    model = untrained_whisper()
    shape = (model.dims.n_audio_ctx, model.dims.n_audio_state)

    def encode(clip: str) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(clip.encode())))

    return Pair.of(model, encode)


@pytest.fixture(scope="session")
def model(base_weights: Path) -> Whisper:
    """Returns openai-whisper's model with base's weights."""
    return load_whisper("base", base_weights)


@pytest.fixture(scope="session")
def real_pair(model: Whisper) -> Pair:
    """Returns a pair with base's weights and its encodings of the clips."""
    encoder = Encoder(of_whisper(model).audio)
    return Pair.of(model, lambda clip: encoder(spectrogram_of(samples_of(clip), model.dims.n_mels)[None])[0])


@pytest.fixture(scope="session")
def decoder(pair: Pair) -> SlotDecoder:
    """Returns a decoder with eight slots, all of which every test leaves free."""
    return SlotDecoder(pair.parameters, 8)


def options_of(case: Case) -> DecodingOptions:
    return DecodingOptions(
        task=case.task,
        language=case.language,
        prompt=case.prompt or None,
        fp16=False,
    )


def spectrogram_of(samples: Tensor, n_mels: int) -> Tensor:
    """Returns openai-whisper's spectrogram, (n_mels, 3000), of int16 samples, (n,), padded with silence."""
    mel: Tensor = log_mel_spectrogram(samples / 32768.0, n_mels, padding=N_SAMPLES - len(samples))
    return mel


def samples_of(clip: str) -> Tensor:
    """Returns int16 samples, (n,), at 16 kHz of a clip of pytest-audioeval, or of generated sound."""
    if clip == "silence":
        return torch.zeros(5 * SAMPLE_RATE, dtype=torch.int16)
    if clip == "noise":
        return torch.from_numpy(np.random.default_rng(7).normal(0, 1500, 4 * SAMPLE_RATE).astype(np.int16))
    if clip == "one second":
        return samples_of("en/quick_brown_fox")[SAMPLE_RATE : 2 * SAMPLE_RATE]
    if clip == "thirty seconds":
        part = torch.cat([samples_of("en/quick_brown_fox"), samples_of("en/counting")])
        return part.repeat(3)[: 30 * SAMPLE_RATE]
    return torch.from_numpy(np.frombuffer(speech(clip), dtype="<i2").copy())
