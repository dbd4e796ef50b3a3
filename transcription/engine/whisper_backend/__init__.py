"""The backend on openai-whisper's own module and decode: slow, and with nothing of ours between it and torch."""
