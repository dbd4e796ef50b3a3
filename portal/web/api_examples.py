"""Snippets that work as pasted: curl, Python and JavaScript, with a portal's own address in them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Snippet:
    """`name` is unique on the page. PORTAL in `text` stands for the portal's address."""

    name: str
    label: str | Promise
    text: str


@dataclass(frozen=True)
class Example:
    name: str
    title: str | Promise
    snippets: tuple[Snippet, ...]


EXAMPLES = (
    Example(
        "transcribe",
        _("Send a file, get its text"),
        (
            Snippet(
                "transcribe-curl",
                "curl",
                """curl PORTAL/v1/audio/transcriptions \\
  -H "Authorization: Bearer $WHISPER_KEY" \\
  -F model=whisper-1 \\
  -F file=@recording.mp3""",
            ),
            Snippet(
                "transcribe-python",
                _("Python, with OpenAI's library (pip install openai)"),
                """from os import environ
from openai import OpenAI

client = OpenAI(base_url="PORTAL/v1", api_key=environ["WHISPER_KEY"])
with open("recording.mp3", "rb") as file:
    print(client.audio.transcriptions.create(model="whisper-1", file=file).text)""",
            ),
            Snippet(
                "transcribe-javascript",
                _("JavaScript, with OpenAI's library (npm install openai), as a file that ends in .mjs"),
                """import fs from "node:fs";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "PORTAL/v1", apiKey: process.env.WHISPER_KEY });
const file = fs.createReadStream("recording.mp3");
const transcription = await client.audio.transcriptions.create({ model: "whisper-1", file });
console.log(transcription.text);""",
            ),
        ),
    ),
    Example(
        "stream",
        _("Read along while it is transcribed"),
        (
            Snippet(
                "stream-curl",
                "curl",
                """curl -N PORTAL/v1/audio/transcriptions \\
  -H "Authorization: Bearer $WHISPER_KEY" \\
  -F model=whisper-1 -F stream=true \\
  -F file=@recording.mp3""",
            ),
            Snippet(
                "stream-python",
                "Python",
                """from os import environ
from openai import OpenAI

client = OpenAI(base_url="PORTAL/v1", api_key=environ["WHISPER_KEY"])
with open("recording.mp3", "rb") as file:
    for event in client.audio.transcriptions.create(model="whisper-1", file=file, stream=True):
        if event.type == "transcript.text.delta":
            print(event.delta, end="", flush=True)""",
            ),
            Snippet(
                "stream-javascript",
                "JavaScript",
                """import fs from "node:fs";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "PORTAL/v1", apiKey: process.env.WHISPER_KEY });
const file = fs.createReadStream("recording.mp3");
const events = await client.audio.transcriptions.create({ model: "whisper-1", file, stream: true });
for await (const event of events) {
  if (event.type === "transcript.text.delta") process.stdout.write(event.delta);
}""",
            ),
        ),
    ),
    Example(
        "later",
        _("Send a recording now, fetch its subtitles later"),
        (
            Snippet(
                "later-curl",
                "curl",
                """ID=$(curl -s PORTAL/api/v1/recordings \\
  -H "Authorization: Bearer $WHISPER_KEY" -F file=@recording.mp3 \\
  | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
while curl -s PORTAL/api/v1/recordings/$ID -H "Authorization: Bearer $WHISPER_KEY" \\
  | grep -qE '"status": ?"(queued|running)"'; do sleep 2; done
curl -f PORTAL/api/v1/recordings/$ID/transcript.srt -H "Authorization: Bearer $WHISPER_KEY\"""",
            ),
            Snippet(
                "later-python",
                _("Python (pip install requests)"),
                """import time
from os import environ
import requests

api, headers = "PORTAL/api/v1", {"Authorization": f"Bearer {environ['WHISPER_KEY']}"}
with open("recording.mp3", "rb") as file:
    made = requests.post(f"{api}/recordings", headers=headers, files={"file": file})
made.raise_for_status()
recording = made.json()
while recording["transcription"]["status"] in ("queued", "running"):
    time.sleep(2)
    recording = requests.get(f"{api}/recordings/{recording['id']}", headers=headers).json()
print(requests.get(f"{api}/recordings/{recording['id']}/transcript.srt", headers=headers).text)""",
            ),
            Snippet(
                "later-javascript",
                "JavaScript",
                """import fs from "node:fs";

const api = "PORTAL/api/v1";
const headers = { Authorization: `Bearer ${process.env.WHISPER_KEY}` };
const body = new FormData();
body.append("file", await fs.openAsBlob("recording.mp3"), "recording.mp3");
let recording = await (await fetch(`${api}/recordings`, { method: "POST", headers, body })).json();
while (["queued", "running"].includes(recording.transcription.status)) {
  await new Promise((resolve) => setTimeout(resolve, 2000));
  recording = await (await fetch(`${api}/recordings/${recording.id}`, { headers })).json();
}
console.log(await (await fetch(`${api}/recordings/${recording.id}/transcript.srt`, { headers })).text());""",
            ),
        ),
    ),
)


def examples(portal_url: str) -> list[Example]:
    """Returns the examples with a portal's address. portal_url: without a slash at its end."""
    return [
        replace(example, snippets=tuple(_of_portal(one, portal_url) for one in example.snippets))
        for example in EXAMPLES
    ]


def _of_portal(snippet: Snippet, portal_url: str) -> Snippet:
    return replace(snippet, text=snippet.text.replace("PORTAL", portal_url))
