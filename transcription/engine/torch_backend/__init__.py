"""Whisper in torch: our own encoder, slot decoder and aligner, with openai-whisper's numbers."""
