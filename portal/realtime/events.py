"""The events of OpenAI's realtime transcription sessions: those that programs send, checked, and those that we send."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from transcription.live.turn import Turn
from transcription.live.turns import TurnDetection

Event = dict[str, Any]
PARTIAL = "item.input_audio_transcription.partial"
LOGPROBS = "item.input_audio_transcription.logprobs"


class Part(BaseModel):
    """A part of a session. What of it we have no use for is ignored, as in requests to the audio endpoints."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Pcm(Part):
    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24000] = 24000


class Companded(Part):
    type: Literal["audio/pcmu", "audio/pcma"]


class Transcription(Part):
    model: str = Field(default="", max_length=200)
    language: str | None = Field(default=None, max_length=40)
    prompt: str | None = Field(default=None, max_length=10_000)
    keywords: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=500)


class ServerVad(Part):
    type: Literal["server_vad"] = "server_vad"
    threshold: float = Field(default=0.5, ge=0.0, le=1.0, allow_inf_nan=False)
    prefix_padding_ms: int = Field(default=300, ge=0, le=5_000)
    silence_duration_ms: int = Field(default=500, ge=100, le=10_000)

    @property
    def detection(self) -> TurnDetection:
        return TurnDetection(max(0.2, self.threshold), self.prefix_padding_ms, self.silence_duration_ms)


class AudioInput(Part):
    """The sound that a program sends, and what is made of it."""

    format: Annotated[Pcm | Companded, Field(discriminator="type")] = Pcm()
    transcription: Transcription | None = None
    turn_detection: ServerVad | None = ServerVad()


class Audio(Part):
    input: AudioInput = AudioInput()


class Session(Part):
    """A session, and what changes in one: a field that is left out stays as it is."""

    type: Literal["transcription"]
    audio: Audio = Audio()
    include: list[Literal["item.input_audio_transcription.logprobs", "item.input_audio_transcription.partial"]] = Field(
        default_factory=list
    )

    def updated(self, changes: Session) -> Session:
        """Returns the session with the fields that were sent."""
        input = self.audio.input.model_copy(update=_sent(changes.audio.input))
        included = changes.include if "include" in changes.model_fields_set else self.include
        return Session(type="transcription", audio=Audio(input=input), include=included)

    @property
    def wants_partials(self) -> bool:
        return PARTIAL in self.include


class Update(Part):
    type: Literal["session.update"]
    session: Session


class Append(Part):
    type: Literal["input_audio_buffer.append"]
    audio: str


class Commit(Part):
    type: Literal["input_audio_buffer.commit"]


class Clear(Part):
    type: Literal["input_audio_buffer.clear"]


ClientEvent = Annotated[Update | Append | Commit | Clear, Field(discriminator="type")]
client_events: TypeAdapter[Update | Append | Commit | Clear] = TypeAdapter(ClientEvent)


def event(kind: str, **fields: Any) -> Event:
    return {"type": kind, "event_id": f"event_{secrets.token_hex(12)}", **fields}


def error(message: str, code: str, kind: str = "invalid_request_error", param: str = "", event_id: str = "") -> Event:
    """Builds an `error` event. `event_id` is that of the program's event that caused it."""
    details = {"type": kind, "code": code, "message": message, "param": param or None, "event_id": event_id or None}
    return event("error", error=details)


def session_event(kind: str, session_id: str, session: Session, expires_at: int) -> Event:
    """Builds `session.created` or `session.updated`."""
    described = {"id": session_id, "object": "realtime.transcription_session", "expires_at": expires_at}
    return event(kind, session=described | session.model_dump(mode="json"))


def item_events(turn: Turn, previous: str | None) -> list[Event]:
    """Builds the events that tell of a turn that has ended. GA clients hear `added`, those of the beta `created`."""
    content = [{"type": "input_audio", "transcript": None}]
    item = {"id": turn.id, "object": "realtime.item", "type": "message", "status": "completed", "role": "user"}
    whole = {"previous_item_id": previous, "item": item | {"content": content}}
    return [
        event("input_audio_buffer.committed", item_id=turn.id, previous_item_id=previous),
        *(event(f"conversation.item.{kind}", **whole) for kind in ("added", "created", "done")),
    ]


def transcription_event(kind: str, turn: Turn, **fields: Any) -> Event:
    """Builds an event about the text of a turn: `delta`, `partial`, `completed` or `failed`."""
    return event(f"conversation.item.input_audio_transcription.{kind}", item_id=turn.id, content_index=0, **fields)


def _sent(part: BaseModel) -> dict[str, Any]:
    return {name: getattr(part, name) for name in part.model_fields_set}
