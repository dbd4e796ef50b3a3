"""Models that run on another server, behind OpenAI's API: vLLM, speaches, another Whisper Portal."""

from transcription.engine.remote_backend.backend import RemoteBackend

__all__ = ["RemoteBackend"]
