"""Whisper on PyTorch: our own decoder on openai-whisper's weights, the default wherever there is a GPU."""

from transcription.engine.torch_backend.backend import TorchBackend

__all__ = ["TorchBackend"]
