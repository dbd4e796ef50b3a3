"""What our encoder makes of a file, from openai-whisper's own spectrogram: both decoders begin with the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from whisper.audio import N_SAMPLES, log_mel_spectrogram

from benchmarks.speech import pcm
from transcription.engine.torch_backend.encoder import Encoder
from transcription.engine.torch_backend.slots import SlotDecoder


def encoding_of(decoder: SlotDecoder, path: Path) -> Tensor:
    """(1500, state): the first 30 s, with silence after a shorter recording."""
    samples = torch.from_numpy(np.frombuffer(pcm(path), dtype="<i2").copy())[:N_SAMPLES] / 32768.0
    mel = log_mel_spectrogram(samples, decoder.parameters.dims.n_mels, padding=N_SAMPLES - len(samples))
    return Encoder(decoder.parameters.audio)(mel[None])[0]
