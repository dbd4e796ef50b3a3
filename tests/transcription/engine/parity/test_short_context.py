"""Windows with short encodings have openai-whisper's results, beside whole ones and beside one another."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from whisper.decoding import DecodingResult, decode
from whisper.model import Whisper

from benchmarks.continuous import decode_all
from tests.transcription.engine.parity.conftest import BEAMS, Case, Pair, options_of
from tests.transcription.engine.parity.test_beams import searched
from transcription.engine.torch_backend.beams import BeamDecoder
from transcription.engine.torch_backend.cross import CrossName
from transcription.engine.torch_backend.encoder import Encoder
from transcription.engine.torch_backend.slots import SlotDecoder

pytestmark = pytest.mark.parity

FOX, PROMPTED, SPANISH = Case("en/quick_brown_fox"), Case("en/counting", prompt="1, 2, 3, 4."), Case("es/conteo", "es")
CASES = [(FOX, 400), (SPANISH, 1500), (PROMPTED, 400), (PROMPTED, 1500), (SPANISH, 700), (PROMPTED, 1100)]
"""Cases with the positions of their encodings."""


def shortened(whisper: Whisper, positions: int) -> Whisper:
    """Returns openai-whisper's model with fewer positions and the same weights."""
    model = Whisper(replace(whisper.dims, n_audio_ctx=positions)).eval()
    key = "encoder.positional_embedding"
    model.load_state_dict(whisper.state_dict() | {key: whisper.encoder.positional_embedding[:positions]})
    return model


def expected(pair: Pair, case: Case, positions: int, beams: int | None = None) -> DecodingResult:
    # openai-whisper derives the length of a timestamp from the number of positions.
    latest = 1500 / positions
    options = replace(options_of(case), beam_size=beams, max_initial_timestamp=latest)
    return decode(shortened(pair.model, positions), pair.encoding(case.clip)[:positions].contiguous(), options)


@pytest.mark.parametrize("cross", ["keys_values", "absorbed"])
def test_windows_of_mixed_lengths_have_their_own_texts(pair: Pair, cross: CrossName) -> None:
    requests = [replace(pair.request(case), encoding=pair.encoding(case.clip)[:size]) for case, size in CASES]
    results = decode_all(SlotDecoder(pair.parameters, 3, cross=cross), requests)
    for result, (case, positions) in zip(results, CASES, strict=True):
        theirs = expected(pair, case, positions)
        assert list(result.tokens) == theirs.tokens
        assert result.avg_logprob == pytest.approx(theirs.avg_logprob, abs=1e-4)


def test_beams_of_mixed_lengths_have_their_own_texts(pair: Pair) -> None:
    mixed = CASES[2:4]
    requests = [replace(pair.request(case), encoding=pair.encoding(case.clip)[:size]) for case, size in mixed]
    results = searched(BeamDecoder(pair.parameters, 2, BEAMS), requests)
    for result, (case, positions) in zip(results, mixed, strict=True):
        assert list(result.tokens) == expected(pair, case, positions, BEAMS).tokens


def test_fewer_frames_are_encoded_as_openai_whisper_encodes_them(pair: Pair) -> None:
    mels: Tensor = torch.randn(2, 80, 800, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs = shortened(pair.model, 400).encoder(mels)
    assert torch.allclose(Encoder(pair.parameters.audio)(mels), theirs, atol=1e-4)
