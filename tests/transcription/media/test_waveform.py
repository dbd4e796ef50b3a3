import numpy as np
import pytest

from transcription.media.loudness import BLOCK_SECONDS, stretch
from transcription.media.waveform import BLOCK_SAMPLES, POINTS, Peaks


@pytest.mark.parametrize("chunk", [32_000, 1_001, 7])
def test_loud_and_quiet_halves_are_seen_whatever_the_chunks(chunk: int) -> None:
    samples = np.concatenate([np.full(32_000, 16_384, "<i2"), np.zeros(32_000, "<i2")]).tobytes()
    peaks = Peaks()
    passed = b"".join(peaks.watch(samples[i : i + chunk] for i in range(0, len(samples), chunk)))
    points = peaks.points()
    assert passed == samples
    assert len(points) == 80
    assert set(points[:39]) == {49}
    assert set(points[41:]) == {0}


def test_each_block_of_50_ms_is_kept_and_a_stretch_of_them_is_shown() -> None:
    peaks = Peaks()
    list(peaks.watch([np.repeat(np.arange(100, dtype="<i2") * 320, BLOCK_SAMPLES).tobytes()]))
    assert list(peaks.blocks[:5]) == [0, 2, 4, 7, 9]
    assert len(peaks.blocks) * BLOCK_SECONDS == 5.0
    start, step, values = stretch(peaks.blocks, BLOCK_SECONDS, 1.02, 1.2, 1000)
    assert (start, step, values) == (1.0, 0.05, list(peaks.blocks[20:24]))
    assert stretch(peaks.blocks, BLOCK_SECONDS, 0.0, 99.0, 10)[1:] == (0.5, list(peaks.blocks[9::10]))
    assert stretch(peaks.blocks, BLOCK_SECONDS, 50.0, 60.0, 10)[2] == stretch([], 1.0, 3.0, 1.0, 10)[2] == []


def test_an_hour_is_a_thousand_points() -> None:
    peaks = Peaks()
    for _ in peaks.watch(bytes(32_000) for _ in range(3600)):
        pass
    assert len(peaks.points()) == POINTS


def test_the_loudest_sample_a_wav_can_hold_does_not_overflow() -> None:
    peaks = Peaks()
    list(peaks.watch([np.full(1600, -32_768, "<i2").tobytes()]))
    assert peaks.points() == [100, 100]
