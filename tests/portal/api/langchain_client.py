"""LangChain's OpenAIWhisperParser against the product: prints what it was given as JSON.

The parser cuts recordings with pydub, which is not installed here: ffmpeg does what it is asked for in its place.
All the rest, the request with its file names and fields, is the parser's own.

    python -m tests.portal.api.langchain_client BASE_URL API_KEY SPEECH
"""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO
from types import ModuleType
from typing import Any

from tests.portal.api import loopback_only
from transcription.media import find_ffmpeg

BYTES_A_MILLISECOND = 32  # of 16 kHz mono
RAW = ("-f", "s16le", "-ar", "16000", "-ac", "1")


class AudioSegment:
    """As much of pydub's as the parser uses."""

    def __init__(self, samples: bytes) -> None:
        self.samples = samples

    @classmethod
    def from_file(cls, path: str) -> AudioSegment:
        return cls(_ffmpeg("-i", str(path), *RAW))

    def __len__(self) -> int:
        return len(self.samples) // BYTES_A_MILLISECOND

    def __getitem__(self, part: slice) -> AudioSegment:
        return AudioSegment(self.samples[part.start * BYTES_A_MILLISECOND : part.stop * BYTES_A_MILLISECOND])

    @property
    def duration_seconds(self) -> float:
        return len(self) / 1000

    def export(self, format: str) -> BytesIO:
        return BytesIO(_ffmpeg(*RAW, "-i", "pipe:", "-f", format, input=self.samples))


def _ffmpeg(*arguments: str, input: bytes = b"") -> bytes:
    command = [find_ffmpeg(), "-v", "error", *arguments, "pipe:1"]
    return subprocess.run(command, input=input, capture_output=True, check=True).stdout


def main(base_url: str, api_key: str, speech: str) -> None:
    loopback_only.enforce()
    pydub: Any = ModuleType("pydub")
    pydub.AudioSegment = AudioSegment
    sys.modules["pydub"] = pydub
    from langchain_community.document_loaders.parsers.audio import OpenAIWhisperParser
    from langchain_core.documents.base import Blob

    def parsed(**options: Any) -> Any:
        parser = OpenAIWhisperParser(api_key=api_key, base_url=base_url, **options)
        return [[document.page_content, document.metadata] for document in parser.parse(Blob.from_path(speech))]

    found = {
        "nothing_said": parsed(),
        "srt": parsed(response_format="srt"),
        "text": parsed(response_format="text"),
        "verbose_json": parsed(response_format="verbose_json", language="en", prompt="A fox.", temperature=0.0),
        "gpt": parsed(model="gpt-4o-transcribe"),
    }
    sys.stdout.write("\n" + json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
