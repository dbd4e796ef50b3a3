import numpy as np
import pytest

from transcription.media.waveform import POINTS, Peaks


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


def test_an_hour_is_a_thousand_points() -> None:
    peaks = Peaks()
    for _ in peaks.watch(bytes(32_000) for _ in range(3600)):
        pass
    assert len(peaks.points()) == POINTS


def test_the_loudest_sample_a_wav_can_hold_does_not_overflow() -> None:
    peaks = Peaks()
    list(peaks.watch([np.full(1600, -32_768, "<i2").tobytes()]))
    assert peaks.points() == [100, 100]
