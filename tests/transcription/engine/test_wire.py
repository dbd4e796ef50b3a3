"""A window arrives at the engine as it was sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from transcription.engine import wire
from transcription.engine.types import SAMPLE_RATE, DecodeOptions, Passage, Tail, Window, WindowRejected

OPTIONS = DecodeOptions("base", language="en", prefers_words=True)


def window(seconds: float = 5.0, **fields: Any) -> Window:
    samples = np.arange(round(seconds * SAMPLE_RATE)).astype(np.int16)
    return Window(3, 1.0, 1.0 + seconds, samples, **fields)


def sent(window: Window) -> Window:
    """Returns a window as the engine reads it."""
    message = wire.window_frame(0, "stream", window, OPTIONS, None)
    end = 4 + wire.header_length(message[:4])
    arrived, options = wire.parse_window(wire.parse_header(message[4:end]), message[end:])
    assert options == OPTIONS
    assert np.array_equal(arrived.samples, window.samples)
    return arrived


def test_what_the_encoder_hears_of_a_window_arrives_with_it() -> None:
    assert sent(window()).encoder_frames == 3000
    short = window(encoder_frames=1200, tail=Tail(50, (1, 2)), non_speech=((1.0, 2.0),), times_words=True)
    assert replace(sent(short), samples=short.samples) == short


@pytest.mark.parametrize("frames", [0, 150, 250, 400, 3200, 1200.0, "1200", True, None])
def test_an_encoder_that_would_hear_less_than_the_window_or_more_than_whisper_is_refused(frames: Any) -> None:
    with pytest.raises(WindowRejected, match="encoder_frames"):
        sent(window(encoder_frames=frames))


def test_a_window_in_exact_mode_is_encoded_whole() -> None:
    with pytest.raises(WindowRejected, match="exact mode"):
        sent(window(passage=Passage(500, 0, 0.0), encoder_frames=1200))
