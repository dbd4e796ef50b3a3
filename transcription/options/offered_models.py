"""The models this installation offers, by the names callers use."""

from __future__ import annotations

import shutil
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from transcription.engine.languages import languages_of
from transcription.engine.offered import Offered
from transcription.engine.types import EngineError

if TYPE_CHECKING:
    from transcription.engine.weights import Form

DEFAULT_ON_GPU = "large-v3"
DEFAULT_ON_CPU = "base"
DIARIZING = "gpt-4o-transcribe-diarize"
"""OpenAI's name for the default model with its speakers told apart."""

ALIASES = {
    "": "",
    "whisper-1": "",
    "gpt-4o-transcribe": "",
    "gpt-4o-mini-transcribe": "",
    "gpt-4o-mini-transcribe-2025-12-15": "",
    "gpt-transcribe": "",
    "gpt-realtime-whisper": "",
    DIARIZING: "",
    "large": "large-v3",
    "large-v3-turbo": "turbo",
    "distil-whisper/distil-large-v3.5": "distil-large-v3.5",
}


def offered() -> tuple[Offered, ...]:
    """Returns the models offered, the default first, each with the source of an operator's own.

    Raises ImproperlyConfigured for a setting that cannot be meant.
    """
    try:
        models = tuple(map(Offered.parse, settings.WHISPER_MODELS))
    except EngineError as error:
        raise ImproperlyConfigured(f"WHISPER_MODELS: {error}.") from None
    names = [model.name for model in models]
    for model in models:
        if names.count(model.name) > 1 or (model.source and model.name in ALIASES):
            raise ImproperlyConfigured(f"WHISPER_MODELS: two models are called {model.name}; choose another name.")
    return models or (Offered(DEFAULT_ON_GPU if has_gpu() else DEFAULT_ON_CPU),)


@cache
def offered_models() -> tuple[str, ...]:
    """Returns the names of the models offered, the default first."""
    return tuple(model.name for model in offered())


def is_own(name: str) -> bool:
    """Returns whether a model is the operator's own."""
    return any(model.source for model in offered() if model.name == name)


def default_model() -> str:
    return offered_models()[0]


def resolve_model(name: str) -> str | None:
    """Returns our name for the model that a caller calls `name`; None for one that is not offered."""
    wanted = _own_name(name) or default_model()
    return wanted if wanted in offered_models() else None


def knows(model: str, language: str) -> bool:
    """Returns whether a model, by our name for it, has a token for a language."""
    return language in languages_of(model)


def translates(model: str) -> bool:
    """Returns whether a model was trained to translate; of an operator's own that is not known."""
    return model != "turbo" and len(languages_of(model)) > 1


def is_named(name: str) -> bool:
    """Returns whether `name` names a model, rather than whatever is the default."""
    return _own_name(name) != ""


def tells_apart(name: str) -> bool:
    """Returns whether a caller's name for a model asks for speakers."""
    return name.strip().removeprefix("openai/") == DIARIZING


def _own_name(name: str) -> str:
    """Returns our name for a model, offered or not; "" for the default."""
    if is_own(name.strip()):
        return name.strip()
    wanted = name.strip().removeprefix("openai/")
    wanted = wanted if wanted == "whisper-1" else wanted.removeprefix("whisper-")
    return ALIASES.get(wanted, wanted)


@cache
def has_gpu() -> bool:
    """Returns whether this machine is to use a GPU, without loading torch."""
    if settings.WHISPER_DEVICE != "auto":
        return bool(settings.WHISPER_DEVICE == "cuda")
    return shutil.which("nvidia-smi") is not None and _nvml_counts_a_device()


def _nvml_counts_a_device() -> bool:
    import pynvml

    try:
        pynvml.nvmlInit()
        return bool(pynvml.nvmlDeviceGetCount() > 0)
    except pynvml.NVMLError:
        return False


def weights_form() -> Form:
    """Returns the form of weights that this machine's engine reads, chosen as it chooses its backend."""
    if settings.WHISPER_BACKEND == "auto":
        return "torch" if has_gpu() and settings.WHISPER_RUNG not in ("ctranslate2", "cpu") else "ctranslate2"
    return "torch" if settings.WHISPER_BACKEND == "torch" else "ctranslate2"
