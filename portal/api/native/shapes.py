"""The shapes of the native API's answers: times in UTC (RFC 3339), durations in seconds, links as paths."""

from __future__ import annotations

from typing import Any, TypedDict


class Queue(TypedDict):
    """Where a waiting transcription stands. `eta_seconds` is until the text is there."""

    position: int
    eta_seconds: float | None


class Failure(TypedDict):
    """Why a transcription failed: a code for programs, a sentence for people."""

    code: str
    message: str


class TranscriptionBody(TypedDict):
    """One transcription of a recording. `transcripts` are links by format, once it is completed."""

    id: str
    recording: str
    status: str
    percent: int
    task: str
    model: str
    language: str | None
    mode: str
    mode_taken: str | None
    hotwords: str
    beam_size: int
    word_timestamps: bool
    lane: str
    created_at: str
    finished_at: str | None
    processing_seconds: float | None
    reused: bool
    reused_from: str | None
    text_deleted_at: str | None
    revision: int
    queue: Queue | None
    error: Failure | None
    transcripts: dict[str, str] | None


class RecordingBody(TypedDict):
    """A recording with its latest transcription. `duration_seconds` and `bytes` are the media's own."""

    id: str
    name: str
    source: str
    created_at: str
    duration_seconds: float
    bytes: int
    format: str
    audio_deleted_at: str | None
    transcription: TranscriptionBody | None


class ProblemBody(TypedDict):
    """What went wrong, as RFC 9457 has it: `code` for programs, `detail` with the cause and the way out."""

    type: str
    title: str
    status: int
    code: str
    detail: str


class FetchBody(TypedDict):
    """A recording that is fetched from a URL, which is told without its query. `error` is the last attempt's."""

    id: str
    status: str
    url: str
    name: str | None
    created_at: str
    finished_at: str | None
    bytes_received: int
    attempts: int
    next_attempt_at: str | None
    error: Failure | None
    recording: str | None
    transcription: str | None


class Pause(TypedDict):
    """Why and since when a webhook is paused."""

    code: str
    message: str
    since: str | None


class WebhookBody(TypedDict):
    """An endpoint of the tenant's. `events` is empty where all are sent."""

    id: str
    url: str
    description: str
    events: list[str]
    status: str
    paused: Pause | None
    failing_since: str | None
    old_secret_until: str | None
    created_at: str | None


class WebhookSecretBody(WebhookBody):
    """With the secret, which is shown this once."""

    secret: str


class WebhooksBody(TypedDict):
    """All of the tenant, oldest first."""

    results: list[WebhookBody]


class Event(TypedDict):
    """What a delivery tells: its id is the message's `webhook-id`."""

    id: str
    type: str
    created_at: str | None


class DeliveryBody(TypedDict):
    """An event on its way to a webhook."""

    id: str
    event: Event
    status: str
    attempts: int
    created_at: str | None
    next_attempt_at: str | None
    finished_at: str | None
    response_status: int | None
    error: Failure | None


class AttemptBody(TypedDict):
    """One try. `response` is how the receiver's answer begins."""

    started_at: str | None
    seconds: float
    response_status: int | None
    response: str
    error: Failure | None


class DeliveryDetailBody(DeliveryBody):
    """With the message itself and every attempt."""

    body: str
    log: list[AttemptBody]


class UploadBody(TypedDict):
    """A resumable upload; bytes. `offset` is null where the parts' list says what has come."""

    id: str
    way: str
    state: str
    name: str
    length: int
    offset: int | None
    created_at: str
    expires_at: str | None
    recording: str | None
    transcription: str | None
    problem: dict[str, Any] | None


class MultipartBody(UploadBody):
    """One that goes straight to S3 in parts."""

    part_bytes: int
    part_count: int


class Part(TypedDict):
    """A part that S3 has."""

    number: int
    size: int
    etag: str


class MultipartPartsBody(MultipartBody, total=False):
    """With the parts that are there, and the numbers of those that are missing, while it is open."""

    parts: list[Part]
    missing: list[int]


class PartUrl(TypedDict):
    """Where to PUT a part, with these very headers."""

    number: int
    url: str
    headers: dict[str, str]


class PartUrlsBody(TypedDict):
    """`expires_in` is in seconds."""

    expires_in: int
    parts: list[PartUrl]


class SegmentBody(TypedDict):
    """A timed piece of a transcript, seconds in the recording. `etag` is what If-Match names."""

    index: int
    start: float
    end: float
    text: str
    words: list[dict[str, Any]]
    revision: int
    etag: str


class SegmentsBody(TypedDict):
    """Segments from a place on; `next` is where more are."""

    transcription: str
    revision: int
    total: int
    next: str | None
    segments: list[SegmentBody]


class SomeSegmentsBody(TypedDict):
    """Those that a change put there."""

    segments: list[SegmentBody]


class RevisionBody(TypedDict):
    """A correction: from segment `first` on, `added` segments stand where those of `before` stood."""

    number: int
    action: str
    made_at: str
    made_by: str | None
    first: int
    added: int
    before: list[dict[str, Any]]


class RevisionsBody(TypedDict):
    """The newest first; `next` is where older ones are."""

    next: str | None
    results: list[RevisionBody]


class FoundPart(TypedDict):
    """A piece of text, and whether it is what was looked for."""

    text: str
    match: bool


class FoundRecording(TypedDict):
    """Which recording it is."""

    id: str
    name: str
    created_at: str
    duration_seconds: float


class FoundSegment(TypedDict):
    """A segment in which something was found, seconds in the recording."""

    segment: int
    start: float
    end: float
    parts: list[FoundPart]


class HitBody(TypedDict):
    """A recording in whose name or text every word stands."""

    recording: FoundRecording
    transcription: str | None
    name: list[FoundPart]
    matches: list[FoundSegment]


class HitsBody(TypedDict):
    """A page of hits, newest first."""

    next: str | None
    results: list[HitBody]


class TicketBody(TypedDict):
    """Opens one WebSocket, once."""

    ticket: str
    expires_at: str


class OldSecret(TypedDict):
    """The secret from before the last rotation, as long as it opens."""

    prefix: str | None
    until: str | None
    last_used_at: str | None


class KeyBody(TypedDict):
    """A program's way in, without its secret."""

    id: str
    name: str
    prefix: str
    scope: str
    state: str
    addresses: list[str]
    created_at: str
    created_by: str | None
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None
    old_secret: OldSecret | None


class KeySecretBody(KeyBody):
    """With its secret, which is shown this once."""

    secret: str


class AuditEntryBody(TypedDict):
    """Who did what, and when."""

    id: str
    created_at: str
    actor: dict[str, Any]
    address: str | None
    action: str
    object: dict[str, Any] | None
    details: dict[str, Any]


class AudioSeconds(TypedDict):
    """Of this month's quota."""

    used: int
    reserved: int
    limit: int
    left: int
    resets_at: str


class StoredBytes(TypedDict):
    """Of the storage."""

    used: int
    limit: int
    left: int


class RequestsPerMinute(TypedDict):
    """Of the API."""

    limit: int
    remaining: int | None


class Day(TypedDict):
    """Audio seconds that were charged on a day (UTC)."""

    day: str
    seconds: int


class UsageBody(TypedDict):
    """This month's standing."""

    month: str
    audio_seconds: AudioSeconds
    stored_bytes: StoredBytes
    requests_per_minute: RequestsPerMinute
    days: list[Day]


class LedgerEntryBody(TypedDict):
    """One charge; audio seconds."""

    id: str
    created_at: str
    month: str
    kind: str
    transcription: str
    seconds: int
    description: str
    member: str | None
    key: dict[str, Any] | None
