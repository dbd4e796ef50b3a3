"""A model's vocabulary in the two files that CTranslate2's form has it in, from whichever its source has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transcription.engine.languages import LANGUAGES
from transcription.engine.model_folder import TOKENIZER
from transcription.engine.own_models.layout import ENGLISH_ONLY, Misfit
from transcription.engine.types import LAST_TIMESTAMP

FILES = (TOKENIZER, "vocab.json", "vocabulary.json", "vocabulary.txt")
"""Any one of them names all tokens of text; their merges follow from the order of the tokens."""

Numbers = dict[str, int]
"""The number of each token, spelt in GPT-2's letters for bytes."""

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def special_tokens(tokens: int) -> list[str]:
    """Returns the last tokens of a vocabulary of this size, from the end of the text on (openai-whisper's order)."""
    is_multilingual = tokens > ENGLISH_ONLY
    languages = LANGUAGES[: tokens - 51_765 - is_multilingual]
    tasks = ("translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps")
    times = (f"{number / 50:.2f}" for number in range(LAST_TIMESTAMP + 1))
    return [f"<|{name}|>" for name in ("endoftext", "startoftranscript", *languages, *tasks, *times)]


def text_tokens(folder: Path, count: int) -> Numbers:
    """Returns the first `count` tokens, those of text, from whichever of FILES is there. Raises Misfit."""
    file = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if file is None:
        raise Misfit(f"has no vocabulary: put one of {', '.join(FILES)} beside the weights")
    try:
        numbers = {token: number for token, number in _read(file).items() if number < count}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Misfit(f"has a damaged {file.name} ({error}): copy it again") from error
    if sorted(numbers.values()) != list(range(count)):
        raise Misfit(f"has {len(numbers)} tokens of text in its {file.name}, where its weights have {count}")
    return numbers


def write_vocabulary(place: Path, numbers: Numbers, tokens: int) -> None:
    """Writes tokenizer.json and vocabulary.json of a vocabulary with so many tokens. Raises Misfit."""
    if tokens > ENGLISH_ONLY and numbers.get("") != len(numbers) - 1:
        # By this token CTranslate2 knows a multilingual model.
        raise Misfit("has another vocabulary than Whisper: copy that of the model that it was trained from")
    special = special_tokens(tokens)
    every = [*sorted(numbers, key=numbers.__getitem__), *special]
    (place / "vocabulary.json").write_text(json.dumps(every), encoding="utf-8")
    added = [_added(number, token) for number, token in enumerate(special, len(numbers))]
    model = {"type": "BPE", "vocab": numbers, "merges": _merges(numbers)}
    tokenizer: Mapping[str, Any] = {
        "version": "1.0",
        "added_tokens": added,
        "pre_tokenizer": BYTE_LEVEL,
        "decoder": BYTE_LEVEL,
        "model": model,
    }
    (place / TOKENIZER).write_text(json.dumps(tokenizer), encoding="utf-8")


def letters_of_bytes() -> dict[int, str]:
    """Returns the letter by which GPT-2 spells each byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (number for number in range(256) if number not in printable)
    return {number: chr(number) for number in printable} | {n: chr(256 + at) for at, n in enumerate(others)}


def _read(file: Path) -> Numbers:
    text = file.read_text(encoding="utf-8")
    found = text.removesuffix("\n").split("\n") if file.suffix == ".txt" else json.loads(text)
    if isinstance(found, list):
        return {str(token): number for number, token in enumerate(found)}
    model = found.get("model")  # in a vocab.json it is the number of this word
    numbers = model["vocab"] if isinstance(model, dict) else found
    return {str(token): int(number) for token, number in numbers.items()}


def _merges(numbers: Numbers) -> list[list[str]]:
    """Returns the pairs that make each token, the earliest token's first: a rank is a token's number."""
    merges = []
    for token in sorted(numbers, key=numbers.__getitem__):
        pairs = [(token[:at], token[at:]) for at in range(1, len(token))]
        known = [[a, b] for a, b in pairs if a in numbers and b in numbers]
        merges += sorted(known, key=lambda pair: (numbers[pair[0]], numbers[pair[1]]))
    return merges


def _added(number: int, token: str) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": number, "content": token, **flags}
