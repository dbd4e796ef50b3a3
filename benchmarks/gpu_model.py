"""What is decoded in the GPU's benchmark: a Whisper of any dimensions, and windows of noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from whisper.model import ModelDimensions, Whisper

from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.vocabulary import Start, start_of, vocabulary_of
from transcription.engine.whisper_vocabulary import WhisperVocabulary

LARGE_V3 = ModelDimensions(128, 1500, 1280, 20, 32, 51866, 448, 1280, 20, 32)
SMALL = ModelDimensions(80, 300, 256, 4, 2, 51865, 448, 256, 4, 2)
TINY = ModelDimensions(80, 50, 128, 2, 2, 51865, 448, 128, 2, 2)
LANGUAGE = "en"
DIFFERENT_WINDOWS = 16


@dataclass(frozen=True)
class Job:
    """The same for all contestants.

    tokens: to sample for every window, however much the model would like to stop.
    label: "synthetic", or where real weights came from.
    """

    device: torch.device
    dims: ModelDimensions
    tokens: int
    label: str

    @cached_property
    def vocabulary(self) -> WhisperVocabulary:
        return vocabulary_of(self.dims)

    @cached_property
    def start(self) -> Start:
        return start_of(self.vocabulary, LANGUAGE)

    @cached_property
    def suppressed(self) -> tuple[int, ...]:
        """What must not be sampled: openai-whisper's list, and the end of the text."""
        return (*self.vocabulary.suppressed, self.vocabulary.eot)

    @property
    def steps(self) -> int:
        """Of the decoder for one window: its start tokens but for the last, and what is sampled."""
        return len(self.start.tokens) - 1 + self.tokens

    def mels(self, windows: int) -> Tensor:
        """Windows of noise, (windows, n_mels, 3000); never zeros, which GPUs multiply faster."""
        generator = torch.Generator().manual_seed(7)
        shape = (min(windows, DIFFERENT_WINDOWS), self.dims.n_mels, 2 * self.dims.n_audio_ctx)
        dtype = torch.float16 if self.device.type == "cuda" else torch.float32
        noise = torch.randn(shape, generator=generator).to(self.device, dtype)
        return noise[torch.arange(windows, device=self.device) % len(noise)]

    def request(self, encoding: Tensor, tokens: int = 0) -> DecodeRequest:
        """encoding: (1500, state). tokens: to sample; the job's own number unless given."""
        return DecodeRequest(encoding, self.start, suppressed=self.suppressed, max_tokens=tokens or self.tokens)


def random_whisper(dims: ModelDimensions, device: torch.device | str, seed: int = 1) -> Whisper:
    """openai-whisper's model in fp32 with normally distributed weights.

    Each output's variance is about its input's, so that nothing overflows in fp16.
    """
    with torch.device(device):
        model = Whisper(dims).eval()
    generator = torch.Generator(device).manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.normal_(1.0 if name.endswith("weight") else 0.0, 0.02, generator=generator)
            else:
                parameter.normal_(0.0, parameter[0].numel() ** -0.5, generator=generator)
    return model


def real_whisper(name: str, path: Path, device: torch.device) -> Whisper:
    """The model called `name` in fp32, from OpenAI's file or a CTranslate2 folder."""
    from transcription.engine.torch_backend.loading import load_whisper

    return load_whisper(name, path).to(device)
