"""An operator's own models: a Whisper that was trained further, from a file, a folder or a hub repository.

Whatever its form, it is checked and stored in CTranslate2's, which both backends read.
"""

from transcription.engine.own_models.ensure import ensure_offered

__all__ = ["ensure_offered"]
