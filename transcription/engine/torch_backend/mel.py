"""Log-mel spectrograms on the device, with openai-whisper's numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from whisper.audio import HOP_LENGTH, N_FFT, N_FRAMES, mel_filters

from transcription.engine.mel import whole_frames
from transcription.engine.types import TRAIL_SAMPLES, Window

DYNAMIC_RANGE = 8.0
"""Powers of ten between the loudest value and the floor."""


def features(windows: Sequence[Window], n_mels: int, device: torch.device) -> Tensor:
    """Returns the encoder's input, (windows, n_mels, encoder_frames), as transcription.engine.mel.features does.

    All windows have the same `encoder_frames`.
    """
    return torch.stack([_features(window, n_mels, device) for window in windows])


def _features(window: Window, n_mels: int, device: torch.device) -> Tensor:
    # The copy: samples that came over the wire are read-only, which torch warns about.
    samples = torch.from_numpy(window.samples.copy()).to(device)
    passage = window.passage
    lead = passage.lead if passage else 0
    frames = passage.frames if passage else whole_frames(len(samples))
    missing = lead + frames * HOP_LENGTH + TRAIL_SAMPLES - len(samples)
    # One more frame, so that the reflection at the end touches none that counts.
    power = log_power(samples, n_mels, max(0, missing) + HOP_LENGTH)
    power = power[:, lead // HOP_LENGTH :][:, :frames]
    return whole_window(scaled(power, passage.loudest if passage else None), window.encoder_frames)


def log_power(samples: Tensor, n_mels: int, padding: int = 0) -> Tensor:
    """Returns log10 of the mel powers, not clamped or scaled: (..., n_mels, frames) for samples (..., n).

    samples: 16 kHz, int16 or floats in [-1, 1], on the device that is to compute. padding: zero samples
    to add at the end. With `scaled` the formula is whisper.audio.log_mel_spectrogram's.
    """
    audio = samples.float() / 32768.0 if samples.dtype == torch.int16 else samples.float()
    audio = F.pad(audio, (0, padding)) if padding > 0 else audio
    window = torch.hann_window(N_FFT, device=audio.device)
    spectrum = torch.stft(audio, N_FFT, HOP_LENGTH, window=window, return_complex=True)
    power = spectrum[..., :-1].abs() ** 2
    filters: Tensor = mel_filters(audio.device, n_mels)
    return torch.clamp(filters @ power, min=1e-10).log10()


def peak(power: Tensor) -> Tensor:
    """Returns the largest power of each spectrogram (..., n_mels, frames), as `mel_max` wants it: shape (...)."""
    return power.amax(dim=(-2, -1))


def scaled(power: Tensor, mel_max: Tensor | float | None = None) -> Tensor:
    """Clamps `log_power` to its dynamic range and brings it to about -1..1; same shape.

    mel_max: log10 of the loudest mel power, the clamp's reference; each window's own unless given. A
    number, or a tensor with one number a window. openai-whisper's transcribe() uses the whole file's,
    which `peak` of the whole file gives.
    """
    if mel_max is None:
        mel_max = peak(power)
    top = torch.as_tensor(mel_max, dtype=power.dtype, device=power.device)
    return (torch.maximum(power, top[..., None, None] - DYNAMIC_RANGE) + 4.0) / 4.0


def whole_window(mel: Tensor, frames: int = N_FRAMES) -> Tensor:
    """Cuts a spectrogram (..., n) to (..., frames), or pads it with 0.0 in log-mel.

    That is not silence, but what openai-whisper's transcribe() does (pad_or_trim).
    """
    missing = frames - mel.shape[-1]
    return F.pad(mel, (0, missing)) if missing > 0 else mel[..., :frames]
