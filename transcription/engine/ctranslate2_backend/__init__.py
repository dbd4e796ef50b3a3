"""The backend on CTranslate2: several windows in one call of a library that runs them from start to end."""

import sys

from transcription.engine.ctranslate2_backend.backend import Ctranslate2Backend

# Importing openvino reports to Google Analytics where this package, which it does without, is installed.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

__all__ = ["Ctranslate2Backend"]
