"""litellm against the product: prints what it was given as JSON, for test_other_clients.py to look at.

python -m tests.portal.api.litellm_client BASE_URL API_KEY SPEECH
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.portal.api import loopback_only


def main(base_url: str, api_key: str, speech: str) -> None:
    loopback_only.enforce()
    os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    import litellm
    import openai

    litellm.telemetry = False

    def transcribed(model: str = "openai/whisper-1", **options: Any) -> Any:
        with Path(speech).open("rb") as file:
            answer = litellm.transcription(
                model=model, file=file, api_base=base_url, api_key=api_key, max_retries=0, **options
            )
        return answer.model_dump()

    found = {format: transcribed(response_format=format) for format in ("json", "text", "srt", "vtt", "verbose_json")}
    both: dict[str, Any] = {"response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]}
    found |= {
        "nothing_said": transcribed(),
        "words": transcribed(**both),
        "gpt": transcribed("openai/gpt-4o-transcribe", response_format="json"),
        "gpt_words": transcribed("openai/gpt-4o-transcribe", timestamp_granularities=["word"]),
        "options": transcribed(language="en", prompt="A fox.", temperature=0),
    }
    try:
        transcribed("openai/whisper-9")
    except openai.NotFoundError as error:
        found["refused"] = {"status_code": error.status_code, "message": str(error)}
    sys.stdout.write(json.dumps(found, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
