"""How large a Whisper is: what tells one model's weights from another's."""

from __future__ import annotations

from dataclasses import dataclass

HEAD_WIDTH = 64
"""The width of an attention head in every Whisper."""


@dataclass(frozen=True, slots=True)
class Dimensions:
    """`state` is the width of what goes from layer to layer."""

    n_mels: int
    state: int
    audio_layers: int
    text_layers: int

    @property
    def heads(self) -> int:
        """Of attention, in each layer."""
        return self.state // HEAD_WIDTH

    def __str__(self) -> str:
        return f"{self.n_mels} mels, a width of {self.state}, {self.audio_layers} and {self.text_layers} layers"
