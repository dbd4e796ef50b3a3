"""The backend that runs Whisper on CTranslate2: the default without a GPU, mostly in int8."""

from transcription.engine.ctranslate2_backend.backend import Ctranslate2Backend

__all__ = ["Ctranslate2Backend"]
