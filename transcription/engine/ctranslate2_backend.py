"""Whisper on CTranslate2: int8 on a CPU, and the default wherever there is no GPU."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import tokenizers
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from transcription.engine.backend import (
    Decoded,
    DeviceLost,
    Language,
    OutOfDeviceMemory,
    Work,
)
from transcription.engine.fallback import compression_ratio
from transcription.engine.languages import LANGUAGES
from transcription.engine.segments import pieces
from transcription.engine.types import SAMPLE_RATE, WINDOW_SAMPLES

MAX_PROMPT_TOKENS = 223
"""Half of Whisper's text context, less one: openai-whisper's `n_ctx // 2 - 1`."""

FRAMES = 3000


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: Any
    tokenizer: Tokenizer
    features: FeatureExtractor
    suppressed: tuple[int, ...]
    known: frozenset[str]


class Ctranslate2Backend:
    """One CTranslate2 model per name, shared by a few threads.

    On 2 cores two workers with two threads each are fastest: side by side they use the
    cores fully (decoding gains nothing from a second thread), and a lone clip has both.
    """

    name = "ctranslate2"
    library_version = str(ctranslate2.__version__)
    gather_seconds = 0.0

    def __init__(self, device: str, threads: int) -> None:
        self.device = device
        self.threads = threads or os.cpu_count() or 1
        self.workers = min(self.threads, 4) if device == "cpu" else 1
        self.compute_type = "int8" if device == "cpu" else "float16"
        self._models: dict[str, _Loaded] = {}

    def load(self, models: dict[str, Path]) -> None:
        self._models = {name: self._open(folder) for name, folder in models.items()}

    def knows(self, model: str, language: str) -> bool:
        return language in self._models[model].known

    def batch_key(self, work: Work) -> Hashable:
        # CTranslate2 wants the start of the transcript at one position in all prompts.
        prompt = self._prompt(work.options.model, work.options.prompt)
        return (work.options.model, work.temperature, len(prompt))

    def detect(self, batch: Sequence[Work]) -> list[Language]:
        loaded = self._models[batch[0].options.model]
        if not loaded.model.is_multilingual:
            return [Language("en", 1.0) for _ in batch]
        with _translated_errors():
            ranked = loaded.model.detect_language(self._encoded(loaded, batch))
        return [Language(best[0][0][2:-2], float(best[0][1])) for best in ranked]

    def decode(self, batch: Sequence[Work]) -> list[Decoded]:
        loaded = self._models[batch[0].options.model]
        temperature = batch[0].temperature
        sampling = {"sampling_topk": 0, "sampling_temperature": temperature} if temperature > 0 else {}
        with _translated_errors():
            generated = loaded.model.generate(
                self._encoded(loaded, batch),
                [self._start(loaded, work) for work in batch],
                beam_size=1,
                return_scores=True,
                return_no_speech_prob=True,
                suppress_tokens=list(loaded.suppressed),
                **sampling,
            )
        return [_decoded(loaded, work, result) for work, result in zip(batch, generated, strict=True)]

    def gpu_memory_mib(self) -> tuple[float, float] | None:
        return None

    def _open(self, folder: Path) -> _Loaded:
        model = ctranslate2.models.Whisper(
            str(folder),
            device=self.device,
            compute_type=self.compute_type,
            inter_threads=self.workers,
            intra_threads=max(2, self.threads // self.workers),
        )
        vocabulary = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        plain = Tokenizer(vocabulary, multilingual=False)
        known = (code for code in LANGUAGES if vocabulary.token_to_id(f"<|{code}|>") is not None)
        return _Loaded(
            model=model,
            tokenizer=plain,
            features=FeatureExtractor(feature_size=model.n_mels),
            suppressed=_suppressed(plain),
            known=frozenset(known) if model.is_multilingual else frozenset({"en"}),
        )

    def _encoded(self, loaded: _Loaded, batch: Sequence[Work]) -> ctranslate2.StorageView:
        """The encoder's output for a batch, run only for the windows that lack it.

        On a CPU one window at a time: the attention of several doesn't fit its caches, which costs a sixth.
        """
        missing = [work for work in batch if work.encoding is None]
        step = 1 if self.device == "cpu" else len(batch)
        for at in range(0, len(missing), step):
            part = missing[at : at + step]
            mels = np.stack([_log_mel(loaded.features, work) for work in part])
            output = loaded.model.encode(ctranslate2.StorageView.from_array(mels), to_cpu=True)
            for work, encoding in zip(part, np.array(output), strict=True):
                work.encoding = encoding
        encodings = [work.encoding for work in batch if isinstance(work.encoding, np.ndarray)]
        return ctranslate2.StorageView.from_array(np.stack(encodings))

    def _prompt(self, model: str, text: str) -> list[int]:
        """The tokens of a prompt, with what announces it; none for an empty text."""
        if not text.strip():
            return []
        tokenizer = self._models[model].tokenizer
        tokens = tokenizer.encode(" " + text.strip())[-MAX_PROMPT_TOKENS:]
        return [tokenizer.sot_prev, *tokens]

    def _start(self, loaded: _Loaded, work: Work) -> list[int]:
        """All tokens before the first that the model is to find."""
        vocabulary, options = loaded.tokenizer.tokenizer, work.options
        start = [*self._prompt(options.model, options.prompt), loaded.tokenizer.sot]
        if loaded.model.is_multilingual:
            start += [
                vocabulary.token_to_id(f"<|{work.language}|>"),
                vocabulary.token_to_id(f"<|{options.task}|>"),
            ]
        return start


def _log_mel(features: FeatureExtractor, work: Work) -> NDArray[np.float32]:
    """Log-mel spectrogram of a window padded to 30 s with silence; shape (n_mels, 3000)."""
    samples = work.window.samples.astype(np.float32) / 32768.0
    padded = np.pad(samples, (0, WINDOW_SAMPLES - len(samples)))
    mel: NDArray[np.float32] = features(padded, padding=0)[:, :FRAMES].astype(np.float32)
    return mel


def _suppressed(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Tokens never to be sampled: openai-whisper's DecodingTask._get_suppress_tokens."""
    special = {
        tokenizer.transcribe,
        tokenizer.translate,
        tokenizer.sot,
        tokenizer.sot_prev,
        tokenizer.sot_lm,
        tokenizer.no_speech,
    }
    return tuple(sorted(special | set(tokenizer.non_speech_tokens)))


def _decoded(loaded: _Loaded, work: Work, result: Any) -> Decoded:
    tokens: list[int] = result.sequences_ids[0]
    text: str = loaded.tokenizer.decode(tokens)
    return Decoded(
        pieces=pieces(
            tokens,
            len(work.window.samples) / SAMPLE_RATE,
            loaded.tokenizer.timestamp_begin,
            loaded.tokenizer.decode,
        ),
        # CTranslate2's score is the mean over the tokens; Whisper counts the end of text too.
        avg_logprob=result.scores[0] * len(tokens) / (len(tokens) + 1),
        no_speech_prob=result.no_speech_prob,
        compression_ratio=compression_ratio(text.strip()),
    )


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Tell the scheduler what a failure of the library means."""
    try:
        yield
    except MemoryError as error:
        raise OutOfDeviceMemory("no memory left") from error
    except RuntimeError as error:
        reason = str(error)
        if "out of memory" in reason or "bad_alloc" in reason:
            raise OutOfDeviceMemory(reason) from error
        if "CUDA" in reason or "cuBLAS" in reason:
            raise DeviceLost(reason) from error
        raise
