"""The product's own path on a pretended GPU: the texts of a CPU, and nothing that could go wrong between streams."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from whisper.model import Whisper

from benchmarks.untrained import untrained_whisper
from tests.transcription.engine.torch_backend.pretend_cuda import PretendCuda, pretended
from transcription.engine.backend import Decoded, WordTiming, Work
from transcription.engine.torch_backend import buckets
from transcription.engine.torch_backend.backend import TorchBackend
from transcription.engine.torch_backend.device import WorkStream
from transcription.engine.torch_backend.memory import CONTEXT_MIB
from transcription.engine.torch_backend.model import TorchModel
from transcription.engine.torch_backend.parameters import of_whisper
from transcription.engine.types import DecodeOptions, Window

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return untrained_whisper()


@pytest.fixture(scope="module")
def cuda() -> Iterator[PretendCuda]:
    with pytest.MonkeyPatch.context() as patch, pretended(patch) as cuda:
        patch.setattr(WorkStream, "_unused", defaultdict(list))
        patch.setattr(buckets, "CONTEXT_BUCKETS", (64,))
        yield cuda


def opened(whisper: Whisper, device: str, slots: int = 2) -> TorchModel:
    return TorchModel(of_whisper(whisper, device, torch.float32), slots, "keys_values")


def works() -> list[Work]:
    """Returns a greedy window, a sampled one, one with a prompt, and a searched one; all but the third are short."""
    noise = np.random.default_rng(1)
    options = [DecodeOptions("base")] * 3 + [DecodeOptions("base", beam_size=2)]
    windows = [
        Window(n, 0.0, 1.0, noise.normal(0, 1000, 16_000).astype(np.int16), encoder_frames=3000 if n == 2 else 700)
        for n in range(4)
    ]
    found = [Work(window, option, language="en") for window, option in zip(windows, options, strict=True)]
    found[1].temperature, found[2].prompt = 0.4, (11, 12, 13)
    return found


def decoded(model: TorchModel, waiting: Sequence[Work]) -> list[Decoded]:
    """Returns the results of encoded works, in order, after steps in which others enter and leave."""
    left, found = list(waiting), dict[Work, Decoded | Exception]()
    while len(found) < len(waiting):
        if left and model.room(left[:1]):
            model.admit([left.pop(0)])
        model.step()
        found |= dict(model.finished())
    results = [found[work] for work in waiting]
    assert all(isinstance(result, Decoded) for result in results), results
    return [result for result in results if isinstance(result, Decoded)]


@dataclass
class Heard:
    """What a model made of `works`, and for what its steps and admissions waited."""

    tokens: list[tuple[int, ...]]
    words: list[list[WordTiming]]
    language: str
    waits: list[str]
    streams: int
    workspaces: int


def heard(whisper: Whisper, cuda: PretendCuda, device: str, waiting: list[Work]) -> Heard:
    model = opened(whisper, device)
    model.encode(waiting)
    decoded(model, waiting[3:])  # opens the decoder with beams
    cuda.waits.clear()
    tokens = [result.tokens for result in decoded(model, waiting)]
    waits = list(cuda.waits)
    words = model.align(waiting[:1], [[token for token in tokens[0] if token < 50_257]])
    language = model.detect(waiting[:1])[0].code
    model.close()
    return Heard(tokens, words, language, waits, len(cuda.streams), len(cuda.workspaces))


@pytest.fixture(scope="module")
def by_cpu(whisper: Whisper) -> Heard:
    return heard(whisper, PretendCuda(), "cpu", works())


@pytest.fixture(scope="module")
def by_cuda(by_cpu: Heard, whisper: Whisper, cuda: PretendCuda) -> list[Heard]:
    """Returns what two models made of the windows, one after the other; of one only the second."""
    return [heard(whisper, cuda, "cuda", waiting) for waiting in (works(), works()[:1])]


def test_texts_languages_and_words_are_those_of_a_cpu(by_cpu: Heard, by_cuda: list[Heard], cuda: PretendCuda) -> None:
    first, second = by_cuda
    assert (first.tokens, first.words, first.language) == (by_cpu.tokens, by_cpu.words, by_cpu.language)
    assert second.tokens == by_cpu.tokens[:1]
    assert cuda.graphs > 8


def test_no_stream_overtakes_another_and_no_capture_allocates_a_workspace(
    cuda: PretendCuda, by_cuda: list[Heard]
) -> None:
    assert cuda.faults == []


def test_neither_an_admission_nor_a_step_waits_for_the_device(by_cuda: list[Heard]) -> None:
    assert by_cuda[0].waits == []


def test_a_model_has_a_workspace_for_each_of_its_streams_and_leaves_them_to_the_next(by_cuda: list[Heard]) -> None:
    first, second = by_cuda
    assert first.workspaces == second.workspaces == 3
    assert first.streams == second.streams


def test_nothing_else_is_queued_while_a_graph_is_captured(whisper: Whisper, cuda: PretendCuda) -> None:
    model, waiting = opened(whisper, "cuda"), works()
    began, stopping = threading.Event(), threading.Event()

    def let_the_other_work() -> None:
        began.set()
        time.sleep(0.05)

    cuda.on_capture = let_the_other_work

    def work() -> None:
        with cuda.thread():
            began.wait(10)
            while not stopping.is_set():
                waiting[0].encoding = None
                model.encode(waiting[:1])
                model.align(waiting[:1], [[11, 12]])

    other = threading.Thread(target=work)
    other.start()
    try:
        opened(whisper, "cuda", slots=1).close()
    finally:
        stopping.set()
        other.join()
    assert cuda.faults == []


def test_what_is_decoded_apart_in_float32_has_a_stream_of_its_own(whisper: Whisper, cuda: PretendCuda) -> None:
    model = TorchModel(of_whisper(whisper, "cuda"), 1, "absorbed")
    faults = len(cuda.faults)
    assert model.decode_apart(works()[0]).tokens
    assert cuda.faults[faults:] == []


def test_cudnn_attention_is_off_where_there_is_a_gpu(cuda: PretendCuda) -> None:
    torch.backends.cuda.enable_cudnn_sdp(True)
    TorchBackend("cuda", 0, 0)
    assert not torch.backends.cuda.cudnn_sdp_enabled()


def test_the_limit_of_memory_holds_with_what_cuda_itself_takes(cuda: PretendCuda) -> None:
    TorchBackend("cuda", 0, 10_000)
    assert cuda.fraction == (10_000 - CONTEXT_MIB) / (80 * 1024)
