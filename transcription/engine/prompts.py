"""Builds the prompt of a window from hotwords and the text before it."""

from __future__ import annotations

from collections.abc import Sequence

from transcription.engine.backend import Vocabulary, Work

MAX_PROMPT_TOKENS = 223
"""Half of Whisper's text context, less one: openai-whisper's `n_ctx // 2 - 1`."""

MAX_HOTWORD_TOKENS = MAX_PROMPT_TOKENS // 2
"""The other half of the prompt is left to the context."""

MAX_CHARACTERS = 16_384
"""Characters of a text that are encoded: its last 223 tokens count."""


def context_of(work: Work, vocabulary: Vocabulary) -> tuple[int, ...]:
    """Returns the tokens of the text before the window, or of the `prompt` option if there is none; at most 223."""
    passage, tail = work.window.passage, work.window.tail
    if tail is not None:
        return tuple(token for token in tail.context if token < vocabulary.eot)[-MAX_PROMPT_TOKENS:]
    if passage is not None and passage.context is not None:
        return passage.context[-MAX_PROMPT_TOKENS:]
    return tuple(_encoded(work.options.prompt[-MAX_CHARACTERS:], vocabulary)[-MAX_PROMPT_TOKENS:])


def prompt_of(work: Work, vocabulary: Vocabulary) -> tuple[int, ...]:
    """Returns the hotwords and as much of the context's end as fits: at most 223 tokens.

    As openai-whisper's carry_initial_prompt puts its initial prompt before every window. Where no voice is
    heard there is none: Whisper would say it again.
    """
    if work.window.is_doubted:
        return ()
    hotwords = _encoded(work.options.hotwords[:MAX_CHARACTERS], vocabulary)[:MAX_HOTWORD_TOKENS]
    context = context_of(work, vocabulary)
    return (*hotwords, *context[-(MAX_PROMPT_TOKENS - len(hotwords)) :])


def _encoded(text: str, vocabulary: Vocabulary) -> Sequence[int]:
    return vocabulary.encode(" " + text.strip()) if text.strip() else ()
