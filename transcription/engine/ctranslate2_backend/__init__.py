"""Whisper on CTranslate2: int8 on a CPU, and the default wherever there is no GPU."""

from transcription.engine.ctranslate2_backend.backend import Ctranslate2Backend

__all__ = ["Ctranslate2Backend"]
