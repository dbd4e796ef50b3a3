"""A model of another server: windows out, text in."""

from __future__ import annotations

import hashlib
import io
import threading
import wave
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transcription.engine.backend import Decoded, Language, WordTiming, Work
from transcription.engine.languages import code_of, languages_of
from transcription.engine.prompts import MAX_CHARACTERS, context_of
from transcription.engine.remote_backend import answers
from transcription.engine.remote_backend.transport import Fields, Server
from transcription.engine.types import FRAME_SAMPLES, SAMPLE_RATE, TIMESTAMPS_PER_SECOND, WINDOW_FRAMES, EngineError

MOST_KEPT = 64
"""Answers that are kept between the detection of a language, the text and its words."""

UNITS = 1 << 16
Answer = dict[str, Any]


class RemoteVocabulary:
    """The tokens of a server that answers text: its letters, as UTF-16 spells them.

    Each text has one spelling, the same on every machine, so that what a window leaves to the next can be stored.
    """

    eot = UNITS
    timestamp_begin = UNITS + 1
    is_whispers = False

    def __init__(self, model: str) -> None:
        self.languages = frozenset(languages_of(model))

    def encode(self, text: str) -> list[int]:
        raw = text.encode("utf-16-le", "surrogatepass")
        return [int.from_bytes(raw[at : at + 2], "little") for at in range(0, len(raw), 2)]

    def decode(self, tokens: Sequence[int]) -> str:
        units = (token.to_bytes(2, "little") for token in tokens if token < self.eot)
        return b"".join(units).decode("utf-16-le", "replace")


class RemoteModel:
    """A BatchModel whose windows are sent one by one, as many at once as the backend has threads.

    A language is detected by transcribing: the text of that is the window's, too. Windows are prompted with the
    hotwords and the text before them, whose end counts, as the server sees fit.
    """

    def __init__(self, server: Server, remote_name: str, vocabulary: RemoteVocabulary) -> None:
        self.vocabulary = vocabulary
        self._server = server
        self._name = remote_name
        self._kept: OrderedDict[Hashable, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def encode(self, works: Sequence[Work]) -> None:
        """Names the server's model: a server gets sound, and decides about its context by itself."""
        for work in works:
            work.hear_in_full()
            work.encoding = self._name

    def detect(self, works: Sequence[Work]) -> list[Language]:
        return [self._detected(work) for work in works]

    def batch_key(self, work: Work) -> Hashable:
        return id(work)

    def decode(self, works: Sequence[Work]) -> list[Decoded]:
        return [self._decoded(work) for work in works]

    def align(self, works: Sequence[Work], texts: Sequence[Sequence[int]]) -> list[list[WordTiming]]:
        """Returns the words that came with the text. Raises EngineError where the server times none."""
        return [self._aligned(work, self.vocabulary.decode(text)) for work, text in zip(works, texts, strict=True)]

    def close(self) -> None:
        self._kept.clear()

    def _detected(self, work: Work) -> Language:
        answer = self._answer(work, None)
        code = code_of(str(answer.get("language") or ""))
        if code is None:
            raise EngineError(f"{self._server.host} names no language: ask for one")
        return Language(code, 1.0)

    def _decoded(self, work: Work) -> Decoded:
        answer = self._answer(work, work.language)
        passage, seconds = work.window.passage, len(samples_of(work)) / SAMPLE_RATE
        goes_on = passage is not None and passage.frames == WINDOW_FRAMES
        return answers.decoded(answer, seconds, work.language, self.vocabulary, goes_on)

    def _aligned(self, work: Work, text: str) -> list[WordTiming]:
        if not text:
            return []
        words = self._answer(work, work.language).get("words")
        if not words:
            raise EngineError(f"{self._server.host} times no words: leave word times out")
        return answers.timings(words, text, self.vocabulary)

    def _answer(self, work: Work, language: str | None) -> Answer:
        """Asks for a window's text, or returns the answer kept from before."""
        samples, prompt = samples_of(work), prompt_of(work, self.vocabulary)
        key = (hashlib.blake2b(samples.tobytes(), digest_size=16).digest(), work.temperature, prompt, work.options)
        with self._lock:
            # Whoever detected the language knows the text.
            known = self._kept.get((*key, language)) or self._kept.get((*key, None))
        if known is not None and (language is None or code_of(str(known.get("language") or "")) == language):
            return known
        fields = self._fields(work, language, prompt)
        endpoint = "translations" if work.options.task == "translate" else "transcriptions"
        answer = self._server.transcribe(endpoint, fields, wav_of(samples))
        with self._lock:
            self._kept[(*key, language)] = answer
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return answer

    def _fields(self, work: Work, language: str | None, prompt: str) -> Fields:
        fields = [("model", self._name), ("response_format", "verbose_json"), ("temperature", f"{work.temperature:g}")]
        if work.options.task == "transcribe":
            granularities = ["segment", "word"] if work.options.word_timestamps else ["segment"]
            fields += [("timestamp_granularities[]", name) for name in granularities]
            fields += [("language", language)] if language else []
        return [*fields, ("prompt", prompt)] if prompt else fields


def samples_of(work: Work) -> NDArray[np.int16]:
    """Returns the samples to send: those of the passage or the tail alone, else all of the window's."""
    window = work.window
    if window.passage is not None:
        return window.samples[window.passage.lead :][: window.passage.frames * FRAME_SAMPLES]
    begin = window.tail.after * SAMPLE_RATE // TIMESTAMPS_PER_SECOND if window.tail else 0
    return window.samples[begin:]


def prompt_of(work: Work, vocabulary: RemoteVocabulary) -> str:
    """Returns hotwords and the text before, whose end the server takes; "" where the voice detector finds no speech."""
    if work.window.is_doubted:
        return ""
    before = work.window.tail or work.window.passage
    first = before is None or before.context is None
    context = work.options.prompt[-MAX_CHARACTERS:] if first else vocabulary.decode(context_of(work, vocabulary))
    return " ".join(part for part in (work.options.hotwords[:MAX_CHARACTERS].strip(), context.strip()) if part)


def wav_of(samples: NDArray[np.int16]) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()
