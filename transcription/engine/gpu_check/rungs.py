"""The rungs of the ladder: the ways to run a model on a machine with a GPU, the best one first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from transcription.engine.weights import Form


@dataclass(frozen=True, slots=True)
class Rung:
    """`title` follows "runs with". `least_speed`: seconds of speech in a second, with every slot."""

    name: str
    title: str
    backend: Literal["torch", "ctranslate2", "openai-whisper", "auto"]
    device: Literal["cuda", "cpu"] = "cuda"
    least_speed: float = 5.0

    @property
    def needs_torch(self) -> bool:
        return self.backend in ("torch", "openai-whisper")

    @property
    def form(self) -> Form:
        """Of the weights that it reads."""
        return "torch" if self.needs_torch else "ctranslate2"


RUNGS = (
    Rung("graphs", "CUDA graphs", "torch"),
    Rung("eager", "torch without CUDA graphs", "torch"),
    Rung("math", "torch with math attention, without CUDA graphs, and half the slots", "torch"),
    Rung("ctranslate2", "CTranslate2 on CUDA", "ctranslate2"),
    Rung("openai-whisper", "openai-whisper's own decode", "openai-whisper", least_speed=1.0),
    Rung("cpu", "the CPU, and a smaller model", "auto", device="cpu", least_speed=0.0),
)
"""openai-whisper decodes a single recording 3.4 to 3.8 times as fast as it is spoken on an RTX 4090: what is no faster
with every slot is broken."""

NAMES = tuple(rung.name for rung in RUNGS)

STAND_INS = ("small", "base")
"""The models that are served in place of a larger one on the CPU: the first whose weights can be had."""


def rung_of(name: str) -> Rung:
    """Returns the rung of this name. Raises StopIteration."""
    return next(rung for rung in RUNGS if rung.name == name)
