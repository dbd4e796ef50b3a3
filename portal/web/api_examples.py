"""Snippets that work as pasted: curl, Python and JavaScript, with a portal's own address in them."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _


@dataclass(frozen=True)
class Snippet:
    """`name` is unique on the page."""

    name: str
    label: str
    text: str


@dataclass(frozen=True)
class Example:
    name: str
    title: str
    snippets: tuple[Snippet, ...]


def examples(portal_url: str) -> list[Example]:
    """portal_url: without a slash at its end."""
    return [
        Example("transcribe", _("Send a file, get its text"), _transcribe(portal_url)),
        Example("stream", _("Read along while it is transcribed"), _stream(portal_url)),
        Example("later", _("Send a recording now, fetch its subtitles later"), _later(portal_url)),
    ]


def _transcribe(url: str) -> tuple[Snippet, ...]:
    return (
        Snippet(
            "transcribe-curl",
            "curl",
            f"""curl {url}/v1/audio/transcriptions \\
  -H "Authorization: Bearer $WHISPER_KEY" \\
  -F model=whisper-1 \\
  -F file=@recording.mp3""",
        ),
        Snippet(
            "transcribe-python",
            _("Python, with OpenAI's library (pip install openai)"),
            f"""from os import environ
from openai import OpenAI

client = OpenAI(base_url="{url}/v1", api_key=environ["WHISPER_KEY"])
with open("recording.mp3", "rb") as file:
    print(client.audio.transcriptions.create(model="whisper-1", file=file).text)""",
        ),
        Snippet(
            "transcribe-javascript",
            _("JavaScript, with OpenAI's library (npm install openai), as a file that ends in .mjs"),
            f"""import fs from "node:fs";
import OpenAI from "openai";

const client = new OpenAI({{ baseURL: "{url}/v1", apiKey: process.env.WHISPER_KEY }});
const file = fs.createReadStream("recording.mp3");
const transcription = await client.audio.transcriptions.create({{ model: "whisper-1", file }});
console.log(transcription.text);""",
        ),
    )


def _stream(url: str) -> tuple[Snippet, ...]:
    return (
        Snippet(
            "stream-curl",
            "curl",
            f"""curl -N {url}/v1/audio/transcriptions \\
  -H "Authorization: Bearer $WHISPER_KEY" \\
  -F model=whisper-1 -F stream=true \\
  -F file=@recording.mp3""",
        ),
        Snippet(
            "stream-python",
            "Python",
            f"""from os import environ
from openai import OpenAI

client = OpenAI(base_url="{url}/v1", api_key=environ["WHISPER_KEY"])
with open("recording.mp3", "rb") as file:
    for event in client.audio.transcriptions.create(model="whisper-1", file=file, stream=True):
        if event.type == "transcript.text.delta":
            print(event.delta, end="", flush=True)""",
        ),
        Snippet(
            "stream-javascript",
            "JavaScript",
            f"""import fs from "node:fs";
import OpenAI from "openai";

const client = new OpenAI({{ baseURL: "{url}/v1", apiKey: process.env.WHISPER_KEY }});
const file = fs.createReadStream("recording.mp3");
const events = await client.audio.transcriptions.create({{ model: "whisper-1", file, stream: true }});
for await (const event of events) {{
  if (event.type === "transcript.text.delta") process.stdout.write(event.delta);
}}""",
        ),
    )


def _later(url: str) -> tuple[Snippet, ...]:
    return (
        Snippet(
            "later-curl",
            "curl",
            f"""ID=$(curl -s {url}/api/v1/recordings \\
  -H "Authorization: Bearer $WHISPER_KEY" -F file=@recording.mp3 \\
  | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
until curl -sf {url}/api/v1/recordings/$ID/transcript.srt -H "Authorization: Bearer $WHISPER_KEY"; do sleep 2; done""",
        ),
        Snippet(
            "later-python",
            _("Python (pip install requests)"),
            f"""import time
from os import environ
import requests

api, headers = "{url}/api/v1", {{"Authorization": f"Bearer {{environ['WHISPER_KEY']}}"}}
with open("recording.mp3", "rb") as file:
    made = requests.post(f"{{api}}/recordings", headers=headers, files={{"file": file}})
made.raise_for_status()
recording = made.json()
while recording["transcription"]["status"] in ("queued", "running"):
    time.sleep(2)
    recording = requests.get(f"{{api}}/recordings/{{recording['id']}}", headers=headers).json()
print(requests.get(f"{{api}}/recordings/{{recording['id']}}/transcript.srt", headers=headers).text)""",
        ),
        Snippet(
            "later-javascript",
            "JavaScript",
            f"""import fs from "node:fs";

const api = "{url}/api/v1";
const headers = {{ Authorization: `Bearer ${{process.env.WHISPER_KEY}}` }};
const body = new FormData();
body.append("file", await fs.openAsBlob("recording.mp3"), "recording.mp3");
let recording = await (await fetch(`${{api}}/recordings`, {{ method: "POST", headers, body }})).json();
while (["queued", "running"].includes(recording.transcription.status)) {{
  await new Promise((resolve) => setTimeout(resolve, 2000));
  recording = await (await fetch(`${{api}}/recordings/${{recording.id}}`, {{ headers }})).json();
}}
console.log(await (await fetch(`${{api}}/recordings/${{recording.id}}/transcript.srt`, {{ headers }})).text());""",
        ),
    )
