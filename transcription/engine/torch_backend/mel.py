"""Log-mel spectrograms on the device, with openai-whisper's numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from whisper.audio import HOP_LENGTH, N_FFT, mel_filters

from transcription.engine.mel import DYNAMIC_RANGE, extent
from transcription.engine.types import SAMPLE_RATE, Window


def features(windows: Sequence[Window], n_mels: int, device: torch.device) -> Tensor:
    """Returns the encoder's input, (windows, n_mels, encoder_frames), as transcription.engine.mel.features does.

    All windows have the same `encoder_frames`.
    """
    return torch.stack([_features(window, n_mels, device) for window in windows])


def _features(window: Window, n_mels: int, device: torch.device) -> Tensor:
    first, frames, padding = extent(window)
    # The copy: samples that came over the wire are read-only, which torch warns about.
    padding += -(len(window.samples) + padding) % SAMPLE_RATE  # cuFFT keeps a plan for each length
    samples = torch.from_numpy(window.samples.copy()).to(device).float() / 32768.0
    power = log_power(F.pad(samples, (0, padding)), n_mels)[:, first : first + frames]
    loudest = power.max() if window.passage is None else window.passage.loudest
    mel = (power.clamp_min(loudest - DYNAMIC_RANGE) + 4.0) / 4.0
    return F.pad(mel, (0, window.encoder_frames - frames))


def log_power(audio: Tensor, n_mels: int) -> Tensor:
    """Returns log10 of the mel powers, (n_mels, n // 160), of samples in [-1, 1], (n,), on their device.

    The formula is whisper.audio.log_mel_spectrogram's, before its clamp and scale.
    """
    window = torch.hann_window(N_FFT, device=audio.device)
    spectrum = torch.stft(audio, N_FFT, HOP_LENGTH, window=window, return_complex=True)
    filters: Tensor = mel_filters(audio.device, n_mels)
    # Not abs(), which CUDA compiles for complex numbers when it is first called.
    power = torch.view_as_real(spectrum[..., :-1]).square().sum(-1)
    return torch.clamp(filters @ power, min=1e-10).log10()
