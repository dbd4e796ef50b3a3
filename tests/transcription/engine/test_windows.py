"""A long recording is cut at silences, deterministically, and without holding it in memory."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from transcription.engine.types import SAMPLE_RATE, Window
from transcription.engine.windows import fast_windows

HEAVY = "torch ctranslate2 faster_whisper django"


def same(ours: list[Window], theirs: list[Window]) -> bool:
    return [(w.index, w.start, w.end, w.samples.tobytes()) for w in ours] == [
        (w.index, w.start, w.end, w.samples.tobytes()) for w in theirs
    ]


def test_up_to_thirty_seconds_are_one_window() -> None:
    (window,) = fast_windows([bytes(30 * SAMPLE_RATE * 2)], skip_non_speech=False)
    assert (window.index, window.start, window.end) == (0, 0.0, 30.0)


def test_nothing_is_no_window() -> None:
    assert list(fast_windows([])) == []
    assert list(fast_windows([b"", b"\0"])) == []


def test_windows_hold_speech_in_order_and_at_most_thirty_seconds(lecture: bytes) -> None:
    windows = list(fast_windows([lecture]))
    assert [window.index for window in windows] == list(range(len(windows)))
    assert all(0 < len(window.samples) <= 30 * SAMPLE_RATE for window in windows)
    assert all(len(window.samples) == round((window.end - window.start) * SAMPLE_RATE) for window in windows)
    assert all(before.end <= after.start for before, after in pairwise(windows))
    assert windows[-1].end <= len(lecture) / 2 / SAMPLE_RATE


def test_long_silence_belongs_to_no_window(lecture: bytes) -> None:
    covered = sum(window.end - window.start for window in fast_windows([lecture]))
    assert covered < len(lecture) / 2 / SAMPLE_RATE - 10
    assert list(fast_windows([bytes(2 * 60 * SAMPLE_RATE)])) == []


@pytest.mark.parametrize("size", [1, 999, 32_000, 1 << 20])
def test_the_size_of_the_chunks_does_not_matter(lecture: bytes, size: int) -> None:
    part = lecture[: 40 * 2 * SAMPLE_RATE]
    chunks = (part[at : at + size] for at in range(0, len(part), size))
    assert same(list(fast_windows(chunks)), list(fast_windows([part])))


def test_a_resumed_recording_goes_on_with_the_very_same_windows(lecture: bytes) -> None:
    windows = list(fast_windows([lecture]))
    for done, window in enumerate(windows, start=1):
        assert same(list(fast_windows([lecture], start=window.end)), windows[done:])


def test_what_was_done_when_recordings_were_cut_otherwise_is_not_done_again(lecture: bytes) -> None:
    first, *others = fast_windows([lecture])
    rest, *after = fast_windows([lecture], start=first.end - 4.0)
    assert (rest.index, rest.end) == (first.index, first.end)
    assert rest.start == pytest.approx(first.end - 4.0)
    assert np.array_equal(rest.samples, first.samples[-4 * SAMPLE_RATE :])
    assert same(after, others)


def test_speech_without_a_pause_is_cut_all_the_same(fox: bytes) -> None:
    samples = np.frombuffer(fox, dtype="<i2")
    loud = np.flatnonzero(np.abs(samples) > 500)
    breathless = samples[loud[0] : loud[-1]].tobytes() * 25
    windows = list(fast_windows([breathless]))
    covered = sum(window.next_start - window.start for window in windows)
    assert covered == pytest.approx(len(breathless) / 2 / SAMPLE_RATE, rel=0.05)
    overlaps = [window.overlap for window in windows]
    assert any(overlaps)
    assert overlaps[-1] == 0.0
    assert all(0.7 < overlap < 1.6 for overlap in overlaps if overlap)
    for done, (window, following) in enumerate(pairwise(windows), start=1):
        assert following.start == pytest.approx(window.next_start)
        assert window.times_words or not window.overlap
        assert following.times_words or not window.overlap
        assert same(list(fast_windows([breathless], start=window.next_start)), windows[done:])


def test_an_hour_takes_little_memory_and_no_model_library() -> None:
    script = f"""
import re, sys
import numpy as np
from transcription.engine import client, types, vad, windows
noise = np.random.default_rng(0).integers(-3000, 3000, 16_000 * 60).astype("<i2").tobytes()
assert sum(1 for _ in windows.fast_windows(noise for _ in range(60))) >= 0
assert not set("{HEAVY}".split()) & set(sys.modules), sys.modules.keys()
print(int(re.search("VmHWM: *([0-9]+)", open("/proc/self/status").read().replace(chr(9), " "))[1]) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200
