"""The backend on CTranslate2: several windows in one call of a library that runs them from start to end."""

from transcription.engine.ctranslate2_backend.backend import Ctranslate2Backend

__all__ = ["Ctranslate2Backend"]
