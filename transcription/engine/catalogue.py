"""The Whisper models that can be chosen by name, and where each is published."""

from __future__ import annotations

from dataclasses import dataclass

from transcription.engine.dimensions import Dimensions
from transcription.engine.types import EngineError

OPENAI = "https://openaipublic.azureedge.net/main/whisper/models"


@dataclass(frozen=True, slots=True)
class Model:
    """Facts about one model.

    `title` is for people; `megabytes` is what a download takes, about; `repository` is
    the CTranslate2 conversion on Hugging Face; `openai_sha256` is the hash of OpenAI's
    own file, which is part of its URL (openai-whisper, `_MODELS`); empty for a model that is not OpenAI's.
    """

    name: str
    title: str
    parameters: int
    dimensions: Dimensions
    megabytes: int
    repository: str
    openai_sha256: str = ""
    openai_file: str = ""

    @property
    def openai_url(self) -> str:
        return f"{OPENAI}/{self.openai_sha256}/{self.openai_file}"


CATALOGUE: dict[str, Model] = {
    model.name: model
    for model in (
        Model("tiny", "Tiny", 39_000_000, Dimensions(80, 384, 4, 4), 76, "Systran/faster-whisper-tiny",
              "65147644a518d12f04e32d6f3b26facc3f8dd46e5390956a9424a650c0ce22b9", "tiny.pt"),
        Model("base", "Base", 74_000_000, Dimensions(80, 512, 6, 6), 146, "Systran/faster-whisper-base",
              "ed3a0b6b1c0edf879ad9b11b1af5a0e6ab5db9205f891f668f8b0e6c6326e34e", "base.pt"),
        Model("small", "Small", 244_000_000, Dimensions(80, 768, 12, 12), 484, "Systran/faster-whisper-small",
              "9ecf779972d90ba49c06d968637d720dd632c55bbf19d441fb42bf17a411e794", "small.pt"),
        Model("medium", "Medium", 769_000_000, Dimensions(80, 1024, 24, 24), 1528, "Systran/faster-whisper-medium",
              "345ae4da62f9b3d59415adc60127b97c714f32e89e936602e85993674d08dcb1", "medium.pt"),
        Model("large-v3", "Large v3", 1_550_000_000, Dimensions(128, 1280, 32, 32), 3087,
              "Systran/faster-whisper-large-v3",
              "e5b1a55b89c1367dacf97e3e19bfd829a01529dbfdeefa8caeb59b3f1b81dadb", "large-v3.pt"),
        Model("turbo", "Large v3 Turbo", 809_000_000, Dimensions(128, 1280, 32, 4), 1618,
              "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
              "aff26ae408abcba5fbf8813c21e62b0941638c5f6eebfb145be0c9839262a19a",
              "large-v3-turbo.pt"),
        Model("distil-large-v3.5", "Distil Large v3.5", 756_000_000, Dimensions(128, 1280, 32, 2), 1513,
              "distil-whisper/distil-large-v3.5-ct2"),
    )
}  # fmt: skip


def models_of(dimensions: Dimensions) -> list[str]:
    """Returns the names of the models with these dimensions; perhaps none."""
    return [model.name for model in CATALOGUE.values() if model.dimensions == dimensions]


def find_model(name: str) -> Model:
    """Returns the model of this name. Raises EngineError, which lists the names there are, for any other."""
    try:
        return CATALOGUE[name]
    except KeyError:
        names = ", ".join(CATALOGUE)
        raise EngineError(f"no model is called {name!r}; there are {names}") from None
