"""The tokens of a server that answers text: its letters, as UTF-16 spells them."""

from __future__ import annotations

from collections.abc import Sequence

from transcription.engine.languages import languages_of

UNITS = 1 << 16


class RemoteVocabulary:
    """Each text has one spelling, the same on every machine, so that what a window leaves to the next can be stored."""

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
