"""The results of beam search are openai-whisper's, whatever other windows are decoded at the same time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from whisper.decoding import BeamSearchDecoder, DecodingResult, Inference, MaximumLikelihoodRanker, decode
from whisper.model import ModelDimensions, Whisper

from tests.transcription.engine.parity.conftest import BEAMS, CASES, Case, Pair, options_of, start_for
from transcription.engine.beam_search import Search
from transcription.engine.decode_result import DecodeResult
from transcription.engine.torch_backend.beams import BeamDecoder
from transcription.engine.torch_backend.cross import CrossName
from transcription.engine.torch_backend.decode_request import DecodeRequest
from transcription.engine.torch_backend.parameters import of_whisper
from transcription.engine.torch_backend.slot_allocator import SlotsFull
from transcription.engine.torch_backend.vocabulary import Start, vocabulary_of

pytestmark = pytest.mark.parity

FOX, SILENCE, PROMPTED = Case("en/quick_brown_fox"), Case("silence"), Case("zh/jishu", "zh", prompt="一二三")


def searched(decoder: BeamDecoder, requests: list[DecodeRequest]) -> list[DecodeResult]:
    """Returns the results of all requests, in order, filling every slot as soon as it is free."""
    results: dict[int, DecodeResult] = {}
    number_of: dict[int, int] = {}
    waiting = list(range(len(requests)))
    while len(results) < len(requests):
        entering, waiting = waiting[: decoder.free], waiting[decoder.free :]
        slots = decoder.admit_all([requests[number] for number in entering])
        number_of |= dict(zip(slots, entering, strict=True))
        decoder.step()
        results |= {number_of.pop(slot): result for slot, result in decoder.finished()}
    return [results[number] for number in range(len(requests))]


def assert_same(result: DecodeResult, expected: DecodingResult) -> None:
    assert list(result.tokens) == expected.tokens
    assert result.avg_logprob == pytest.approx(expected.avg_logprob, abs=1e-4)
    assert result.no_speech_prob == pytest.approx(expected.no_speech_prob, rel=1e-2, abs=1e-12)


@pytest.fixture(scope="module")
def decoder(pair: Pair) -> BeamDecoder:
    """Returns a decoder with two slots, both of which every test leaves free."""
    return BeamDecoder(pair.parameters, 2, BEAMS)


@pytest.mark.parametrize("cross", ["keys_values", "absorbed"])
def test_all_windows_side_by_side(pair: Pair, cross: CrossName) -> None:
    decoder = BeamDecoder(pair.parameters, 4, BEAMS, cross=cross)
    results = searched(decoder, [pair.request(case) for case in CASES])
    for result, case in zip(results, CASES, strict=True):
        assert_same(result, pair.searched(case))
    assert decoder.free == 4


def test_beams_find_the_same_with_real_weights(real_pair: Pair) -> None:
    (result,) = searched(BeamDecoder(real_pair.parameters, 1, BEAMS), [real_pair.request(FOX)])
    assert_same(result, real_pair.searched(FOX))


def test_a_window_that_is_given_up_leaves_nothing_behind(pair: Pair, decoder: BeamDecoder) -> None:
    given_up, kept = decoder.admit_all([pair.request(FOX), pair.request(FOX)])
    for _ in range(7):
        decoder.step()
    decoder.evict(given_up)
    with pytest.raises(KeyError):
        decoder.evict(given_up)
    # The next one in the same rows, in the middle of the other's text.
    following = decoder.admit(pair.request(PROMPTED))
    assert following == given_up
    assert decoder.free == 0
    done: dict[int, DecodeResult] = {}
    while decoder.free < decoder.slots:
        decoder.step()
        done |= dict(decoder.finished())
    assert_same(done[kept], pair.searched(FOX))
    assert_same(done[following], pair.searched(PROMPTED))


def test_a_slot_stays_taken_until_its_result_is_fetched(pair: Pair, decoder: BeamDecoder) -> None:
    slot = decoder.admit(replace(pair.request(SILENCE), max_tokens=1))
    for _ in range(12):
        decoder.step()
    assert decoder.free == 1
    assert [done for done, _ in decoder.finished()] == [slot]
    assert (decoder.free, decoder.finished()) == (2, [])


def test_a_broken_encoding_harms_nobody_else(pair: Pair, decoder: BeamDecoder) -> None:
    fox = pair.request(FOX)
    broken = replace(fox, encoding=torch.full_like(fox.encoding, torch.nan), max_tokens=60)
    lost, found, after = searched(decoder, [broken, fox, pair.request(PROMPTED)])
    assert len(lost.tokens) <= 60
    assert_same(found, pair.searched(FOX))
    assert_same(after, pair.searched(PROMPTED))
    # In the rows that held the broken one: masked positions there must not be NaN.
    _, again = searched(BeamDecoder(pair.parameters, 1, BEAMS), [broken, fox])
    assert_same(again, pair.searched(FOX))


def test_what_is_refused(pair: Pair, decoder: BeamDecoder) -> None:
    request = pair.request(FOX)
    with pytest.raises(ValueError, match="temperature"):
        decoder.admit(replace(request, temperature=0.2))
    with pytest.raises(SlotsFull):
        decoder.admit_all([request] * 3)
    decoder.limit = 1
    assert decoder.free == 1
    decoder.limit = 2
    decoder.step()
    assert (decoder.finished(), decoder.free) == ([], 2)


def test_the_end_of_the_context() -> None:
    """With untrained weights texts rarely end before their limit; the prompt fills half of a short context."""
    torch.manual_seed(3)
    model = Whisper(ModelDimensions(80, 1500, 64, 1, 1, 51_865, 96, 64, 1, 1)).eval()
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.5)
    encoding = torch.randn(1500, 64)
    case = Case("", prompt="A fox, a dog, and a number of other animals. " * 30)
    request = DecodeRequest(encoding, start_for(model, case))
    expected = decode(model, encoding, replace(options_of(case), beam_size=BEAMS))
    (result,) = searched(BeamDecoder(of_whisper(model), 1, BEAMS), [request])
    assert_same(result, expected)


@pytest.mark.parametrize("whole", [False, True], ids=["", "ties"])
@pytest.mark.parametrize("seed", range(4))
def test_candidates_are_kept_and_ranked_alike(pair: Pair, seed: int, whole: bool) -> None:
    """Compares Search with BeamSearchDecoder over random log-probabilities; whole numbers cause ties."""
    vocabulary = vocabulary_of(pair.model.dims)
    vocabulary.eot, vocabulary.timestamp_begin, vocabulary.sot = 11, 100, 0
    end = 20

    def logits_of(sampled: tuple[int, ...]) -> Tensor:
        generator = torch.Generator().manual_seed(hash((seed, sampled)) % 2**62)
        logits = torch.randn(12, generator=generator) * 2
        logits = logits.round() if whole else logits
        # A blank text is suppressed, or openai-whisper divides by zero.
        return logits if sampled else logits.index_fill(0, torch.tensor([vocabulary.eot]), -torch.inf)

    theirs = BeamSearchDecoder(BEAMS, vocabulary.eot, _NoCache())
    tokens, totals, completed = torch.zeros((BEAMS, 1), dtype=torch.long), torch.zeros(BEAMS), False
    start, eot, stamps = _request().start, vocabulary.eot, vocabulary.timestamp_begin
    search = Search(start.tokens, start.sot_index + 1, end, BEAMS, eot, stamps)
    while not completed and tokens.shape[1] < end:
        logits = torch.stack([logits_of(tuple(row)) for row in tokens[:, 1:].tolist()])
        logprobs, best = logits.log_softmax(dim=-1).topk(BEAMS + 1)
        assert not search.done
        search.advance(logprobs.numpy(), best.numpy(), 0.0)
        tokens, completed = theirs.update(tokens, logits, totals)
        assert [each.newest for each in search.step_inputs()] == tokens[:, -1].tolist()
    assert search.done
    texts, sums = theirs.finalize(tokens[None], totals[None])
    cut = [[text[1:][: text[1:].tolist().index(vocabulary.eot)] for text in texts[0]]]
    chosen = MaximumLikelihoodRanker(None).rank(cut, sums)[0]
    result = search.result()
    assert list(result.tokens) == cut[0][chosen].tolist()
    assert result.sum_logprob == sums[0][chosen]


class _NoCache(Inference):  # type: ignore[misc]
    def rearrange_kv_cache(self, source_indices: list[int]) -> None:
        pass


def _request() -> DecodeRequest:
    return DecodeRequest(torch.empty(0), Start((0,), 0))
