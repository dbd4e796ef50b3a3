"""Whisper on PyTorch: openai-whisper's own model, the default wherever there is a GPU."""

from transcription.engine.torch_backend.backend import TorchBackend

__all__ = ["TorchBackend"]
