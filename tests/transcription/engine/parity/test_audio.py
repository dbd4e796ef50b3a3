"""Spectrograms, encodings and detected languages are openai-whisper's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from whisper.audio import N_FRAMES, log_mel_spectrogram, pad_or_trim
from whisper.decoding import detect_language
from whisper.tokenizer import get_tokenizer

from tests.transcription.engine.parity.conftest import Pair, samples_of, spectrogram_of
from transcription.engine.mel import Loudest
from transcription.engine.torch_backend.encoder import Encoder
from transcription.engine.torch_backend.mel import features
from transcription.engine.torch_backend.slots import SlotDecoder
from transcription.engine.types import FRAME_SAMPLES, TRAIL_SAMPLES, Passage, Window

pytestmark = pytest.mark.parity
CPU = torch.device("cpu")


def window_of(samples: Tensor, passage: Passage | None = None) -> Window:
    return Window(0, 0.0, 1.0, samples.numpy().astype(np.int16), passage)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_spectrograms_are_the_same_numbers_before_the_padding(n_mels: int) -> None:
    samples = samples_of("en/hello_world")
    frames = len(samples) // FRAME_SAMPLES
    (found,) = features([window_of(samples)], n_mels, CPU)
    expected = spectrogram_of(samples, n_mels)
    assert torch.allclose(found[:, : frames - 2], expected[:, : frames - 2], atol=1e-5)
    assert not found[:, frames:].any()


def test_clips_of_all_lengths_are_few_lengths_to_ffts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each length cuFFT keeps a plan for good, in memory that no limit counts."""
    lengths, stft = set[int](), torch.stft

    def noted(audio: Tensor, *more: Any, **others: Any) -> Tensor:
        lengths.add(len(audio))
        return stft(audio, *more, **others)

    monkeypatch.setattr(torch, "stft", noted)
    for samples in range(1600, 480_001, 7777):
        features([window_of(torch.zeros(samples))], 80, CPU)
    assert len(lengths) <= 31


def test_windows_of_a_file_are_clamped_at_its_loudest_moment() -> None:
    quiet, loud = samples_of("es/hola_mundo") // 64, samples_of("en/hello_world")
    whole = torch.cat([quiet, loud])
    expected = log_mel_spectrogram(whole / 32768.0, 80, 480_000)
    frames, loudest = len(quiet) // FRAME_SAMPLES, Loudest(80)
    loudest.feed(whole.numpy())
    samples = whole[: frames * FRAME_SAMPLES + TRAIL_SAMPLES]
    (found,) = features([window_of(samples, Passage(frames, 0, loudest.value()))], 80, CPU)
    assert torch.allclose(found[:, :-1], pad_or_trim(expected[:, :frames], N_FRAMES)[:, :-1], atol=1e-5)
    (own,) = features([window_of(samples)], 80, CPU)
    assert not torch.allclose(found, own, atol=0.1)


def test_encodings_and_languages(real_pair: Pair) -> None:
    pair, decoder = real_pair, SlotDecoder(real_pair.parameters, 1)
    clips = ["en/quick_brown_fox", "es/conteo", "zh/jishu"]
    encodings = torch.stack([pair.encoding(clip) for clip in clips])
    mel = spectrogram_of(samples_of(clips[0]), 80)
    with torch.no_grad():
        assert torch.allclose(encodings[0], pair.model.encoder(mel[None])[0], atol=1e-4)
    tokenizer = get_tokenizer(True, num_languages=99, language="en", task="transcribe")
    _, chances = detect_language(pair.model, encodings, tokenizer)
    for found, expected in zip(decoder.language_chances(encodings), chances, strict=True):
        assert found == pytest.approx(expected, abs=1e-3)


def test_a_mel_of_another_length_is_refused(pair: Pair) -> None:
    with pytest.raises(ValueError, match="up to 3000, not 2999"):
        Encoder(pair.parameters.audio)(torch.zeros(1, 80, 2999))
