"""Models that run on another server, behind OpenAI's API: vLLM, speaches, another Whisper Portal."""
