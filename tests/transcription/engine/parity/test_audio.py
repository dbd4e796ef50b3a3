"""Spectrograms, encodings and detected languages are openai-whisper's."""

from __future__ import annotations

import pytest
import torch
from whisper.audio import N_FRAMES, N_SAMPLES, log_mel_spectrogram, pad_or_trim
from whisper.decoding import detect_language
from whisper.tokenizer import get_tokenizer

from tests.transcription.engine.parity.conftest import Pair, samples_of, spectrogram_of
from transcription.engine.torch_backend.mel import log_power, peak, scaled, whole_window
from transcription.engine.torch_backend.slots import SlotDecoder

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("clip", ["en/hello_world", "silence"])
def test_spectrograms_are_the_same_numbers(clip: str, n_mels: int) -> None:
    samples = samples_of(clip)
    power = log_power(samples, n_mels, padding=N_SAMPLES - len(samples))
    assert torch.equal(scaled(power), spectrogram_of(samples, n_mels))


def test_windows_of_a_file_are_clamped_at_its_loudest_moment() -> None:
    quiet, loud = samples_of("es/hola_mundo") // 64, samples_of("en/hello_world")
    whole = torch.cat([quiet, loud])
    expected = log_mel_spectrogram(whole / 32768.0, 80, N_SAMPLES)
    power = log_power(whole, 80, N_SAMPLES)
    frames = len(quiet) // 160
    window = whole_window(scaled(power[:, :frames], peak(power)))
    assert torch.equal(window, pad_or_trim(expected[:, :frames], N_FRAMES))
    assert not torch.equal(window, whole_window(scaled(power[:, :frames])))


def test_a_batch_of_spectrograms_is_its_members() -> None:
    batch = torch.stack([samples_of("en/quick_brown_fox")[:40_000], samples_of("en/counting")[:40_000]])
    maxima = torch.tensor([1.0, 2.0])
    assert torch.allclose(
        scaled(log_power(batch, 80), maxima),
        torch.stack([scaled(log_power(one, 80), float(top)) for one, top in zip(batch, maxima, strict=True)]),
        atol=1e-6,
    )


def test_encodings_and_languages(real_pair: Pair) -> None:
    pair, decoder = real_pair, SlotDecoder(real_pair.parameters, 1)
    clips = ["en/quick_brown_fox", "es/conteo", "zh/jishu"]
    encodings = torch.stack([pair.encoding(clip) for clip in clips])
    mel = spectrogram_of(samples_of(clips[0]), 80)
    with torch.no_grad():
        assert torch.allclose(encodings[0], pair.model.encoder(mel[None])[0], atol=1e-4)
    tokenizer = get_tokenizer(True, num_languages=99, language="en", task="transcribe")
    _, chances = detect_language(pair.model, encodings, tokenizer)
    for (code, probability), expected in zip(decoder.detect(encodings), chances, strict=True):
        assert code == max(expected, key=expected.__getitem__)
        assert probability == pytest.approx(expected[code], abs=1e-3)


def test_a_mel_of_another_length_is_refused(decoder: SlotDecoder) -> None:
    with pytest.raises(ValueError, match="up to 3000, not 2999"):
        decoder.encode(torch.zeros(1, 80, 2999))
