"""Word times are those of openai-whisper's find_alignment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from whisper.timing import dtw_cpu, find_alignment
from whisper.timing import median_filter as their_median_filter

from tests.transcription.engine.parity.conftest import REAL_CASES, Case, Pair, samples_of, spectrogram_of
from transcription.engine import warping
from transcription.engine.torch_backend import warping as compiled_warping
from transcription.engine.torch_backend.alignment import Aligner, AlignmentRequest, median_filter
from transcription.engine.torch_backend.vocabulary import tokenizer_of

pytestmark = pytest.mark.parity


def test_word_times_of_a_batch(real_pair: Pair) -> None:
    cases = REAL_CASES[:2]
    windows = [_request(real_pair, case) for case in cases]
    assert_same(real_pair, windows, [spectrogram_of(samples_of(case.clip), 80) for case in cases])


@torch.inference_mode()
def test_word_times_of_texts_of_different_lengths(pair: Pair) -> None:
    """Untrained heads look anywhere, so that any frame or token too many moves the times."""
    tokenizer = tokenizer_of(pair.model.dims, "en", "transcribe")
    texts = [" A fox.", " The quick brown fox jumps over the lazy dog, and a number of other animals."]
    mels = torch.randn(2, 80, 3000, generator=torch.Generator().manual_seed(5))
    windows = [
        AlignmentRequest(encoding, tuple(tokenizer.encode(text)), frames)
        for encoding, text, frames in zip(pair.model.encoder(mels), texts, (700, 3000), strict=True)
    ]
    assert_same(pair, windows, mels)


def assert_same(pair: Pair, windows: Sequence[AlignmentRequest], mels: Iterable[Tensor]) -> None:
    """Asserts that the words of a batch are those that find_alignment finds in each spectrogram, (80, 3000)."""
    for mel, window, words in zip(mels, windows, Aligner(pair.parameters)(windows), strict=True):
        tokenizer = tokenizer_of(pair.model.dims, window.language, "transcribe")
        expected = find_alignment(pair.model, tokenizer, list(window.text), mel, window.frames)
        assert [(word.word, word.tokens) for word in words] == [(word.word, word.tokens) for word in expected]
        for ours, theirs in zip(words, expected, strict=True):
            assert (ours.start, ours.end) == pytest.approx((theirs.start, theirs.end), abs=0.02)
            assert ours.probability == pytest.approx(theirs.probability, abs=1e-3)


def test_no_words_have_no_times(pair: Pair) -> None:
    silent = AlignmentRequest(pair.encoding("silence"), (), 500)
    assert Aligner(pair.parameters)([silent]) == [[]]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 9), (9, 1), (5, 40), (30, 7), (100, 1500)])
def test_paths_are_the_same_ties_and_what_is_no_number_included(rows: int, columns: int) -> None:
    rng = np.random.default_rng(rows * columns)
    noise = rng.normal(size=(rows, columns))
    unknown = np.where(rng.random((1, columns)) < 0.1, np.nan, noise)
    for cost in (noise, rng.integers(0, 2, (rows, columns)), np.zeros((rows, columns)), unknown):
        given = cost.astype(np.float32)
        path, steps = dtw_cpu(given.astype(np.float64))
        expected = [int(steps[path == row].min()) for row in range(rows)]
        # openai-whisper's path begins before the first column where it never reaches it.
        expected = [max(0, step) for step in expected]
        assert warping.arrivals(given).tolist() == compiled_warping.arrivals(given).tolist() == expected


def test_many_windows_are_timed_in_parts(pair: Pair) -> None:
    """More than are timed at once, one of them nearly as long as the context."""
    tokenizer = tokenizer_of(pair.model.dims, "en", "transcribe")
    texts = [" One, two, three." * count for count in (1, 70, 2, 3, 4, 5, 6)]
    encoding = pair.encoding("noise")
    windows = [AlignmentRequest(encoding, tuple(tokenizer.encode(text)), 3000) for text in texts]
    aligner = Aligner(pair.parameters)
    for words, window in zip(aligner(windows), windows, strict=True):
        (alone,) = aligner([window])
        assert [word.word for word in words] == [word.word for word in alone]
        assert [word.start for word in words] == pytest.approx([word.start for word in alone], abs=0.02)
        assert [word.probability for word in words] == pytest.approx([word.probability for word in alone], abs=1e-4)


@pytest.mark.parametrize("frames", [3, 4, 50])
def test_medians_are_the_same(frames: int) -> None:
    x = torch.randn(2, 5, frames)
    x[0, 1] = torch.nan
    assert torch.equal(median_filter(x).nan_to_num(9.0), their_median_filter(x, 7).nan_to_num(9.0))


def _request(pair: Pair, case: Case) -> AlignmentRequest:
    tokens = pair.expected(case).tokens
    eot = tokenizer_of(pair.model.dims).eot
    text = tuple(token for token in tokens if token < eot)
    return AlignmentRequest(pair.encoding(case.clip), text, len(samples_of(case.clip)) // 160, case.language)
