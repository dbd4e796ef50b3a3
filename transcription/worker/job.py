"""What an RQ job does: claim one transcription and carry it to its end.

The way of a recording can be read here from top to bottom; each step is somebody else's noun.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import FrameType

from django.conf import settings
from django.db import close_old_connections, connections

from tenants import quota, scope
from tenants.quota import QuotaExceeded
from transcription import media, request_id
from transcription.engine import modes
from transcription.engine import types as engine_types
from transcription.engine.client import EngineClient
from transcription.engine.types import DecodeOptions, EngineError, WindowRejected, WindowResult
from transcription.errors import Failure
from transcription.media import DecoderDied, MediaError, pcm_cache, playable_copies, storage
from transcription.media.storage import StorageUnavailable
from transcription.media.waveform import Peaks
from transcription.models import Lane, Recording, Segment, Transcription
from transcription.options import audio_tracks
from transcription.options.options import codes_of
from transcription.queue import claims, lifecycle, progress
from transcription.queue.claims import Claim, LostClaim
from transcription.queue.database_outage import patiently
from transcription.redaction import redact
from transcription.worker import claim_watchdog
from transcription.worker.resume import Pass

log = logging.getLogger(__name__)
LANES: dict[int, engine_types.Lane] = {
    Lane.INTERACTIVE: "interactive",
    Lane.STANDARD: "standard",
    Lane.BULK: "bulk",
}
EXTENSION_SECONDS = 60
RENEW_EVERY_SECONDS = 600
PLAYER_FIRST_SECONDS = 1800
STORAGE_PAUSE_SECONDS = 30.0
"""Until a recording is tried again whose sound S3 did not give: that is nobody's attempt."""


class HandedBack(BaseException):
    """This process was told to stop: the transcription goes to another worker."""


@dataclass(frozen=True)
class Seat:
    """Which worker of its gpuworker this process belongs to, and the lanes that it serves."""

    number: int
    lanes: Sequence[int]


_seat = Seat(0, Lane.values)


def take_seat(seat: Seat) -> None:
    """For a worker, before it forks: whose jobs its children do."""
    global _seat
    _seat = seat


def work() -> None:
    """Claims the next due transcription and carries it through; quietly nothing where none is due."""
    close_old_connections()
    signal.signal(signal.SIGUSR1, _stop)
    claim = claims.claim(worker_name(os.getpid()), _seat.lanes)
    if claim is not None:
        with scope.bound(claim.tenant_id), request_id.bound(claim.request_id):
            carry(claim)
    progress.flush()
    connections.close_all()


def carry(claim: Claim) -> None:
    """Every end of an attempt: done, failed, handed back, or no longer ours."""
    try:
        with claim_watchdog.held(claim):
            transcribe(claim)
    except LostClaim:
        log.info("Transcription %s is no longer ours.", claim.transcription_id)
    except HandedBack:
        patiently(lifecycle.hand_back, claim)
    except StorageUnavailable:
        patiently(lifecycle.hand_back, claim, STORAGE_PAUSE_SECONDS)
    except Exception as error:
        failure = failure_of(error)
        log.warning("Transcription %s: %s: %s", claim.transcription_id, failure.code, failure.detail)
        _fail(claim, failure)


def transcribe(claim: Claim) -> None:
    """Decode, window, decode text, save as it comes, complete. Raises what `carry` knows."""
    row = Transcription.objects.select_related("recording", "tenant__quota").get(id=claim.transcription_id)
    pieces = list(row.segments.values_list("text", flat=True))
    lease, peaks, counter = Lease(claim), Peaks(), Counter(row, claim)
    warnings: list[str] = []
    engine = EngineClient(str(settings.ENGINE_SOCKET))
    way = Pass.of(row, engine)
    with sound_of(row, counter.longest, lease, warnings) as pcm:
        sound = peaks.watch(counter.watch(pcm))
        for result in modes.transcribe(engine, sound, decode_options(row), way.mode, way.resume, lease.progress):
            segments = rows_of(row, result, first_index=len(pieces))
            pieces += [segment.text for segment in segments]
            _save(claim, row, segments, result, way, counter.seconds)
    row.warnings = list(dict.fromkeys(warnings))
    if watched := _somebody_watches(row.recording):
        _offer_playback(row, counter.seconds, lease.progress)
    patiently(lifecycle.complete, claim, "".join(pieces).strip(), counter.seconds, peaks.points(), row.warnings)
    log.info("Transcription %s is complete: %.1f s of audio.", claim.transcription_id, counter.seconds)
    if not watched:
        _offer_playback(row, counter.seconds)


@contextmanager
def sound_of(row: Transcription, longest: float, lease: Lease, warnings: list[str]) -> Iterator[Iterator[bytes]]:
    """16 kHz mono s16le PCM: what intake handed over, or decoded from the recording.

    When the sound has ended, `warnings` holds the codes of what decoding it found.
    """
    if pcm := pcm_cache.take(row.id):
        warnings += row.warnings
        yield iter([pcm])
        return
    with storage.fetched(row.recording.storage_key, lease.progress) as path:
        yield media.decode(
            path, row.recording.format, longest, audio_tracks.index_of(row, path, longest), warnings.append
        )


class Lease:
    """Renewed by progress that is not text yet: a copied megabyte, a window of somebody else's ahead of ours."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._renewed_at = time.monotonic()

    def progress(self) -> None:
        """Raises LostClaim."""
        if time.monotonic() - self._renewed_at > settings.LEASE_SECONDS / 6:
            patiently(lifecycle.renew, self._claim)
            self._renewed_at = time.monotonic()


class Counter:
    """Counts decoded seconds: the reservation grows with a recording that is longer than it said."""

    def __init__(self, row: Transcription, claim: Claim) -> None:
        self.seconds = 0.0
        self.longest = min(row.tenant.quota.recording_seconds, settings.DECODED_SECONDS_LIMIT) + 1.0
        self._claim = claim
        self._reserved = quota.held_seconds(row.id)
        self._renew_at = RENEW_EVERY_SECONDS

    def watch(self, pcm: Iterator[bytes]) -> Iterator[bytes]:
        """Passes PCM through. Raises QuotaExceeded and LostClaim."""
        for chunk in pcm:
            self.seconds += len(chunk) / media.BYTES_PER_SECOND
            if (needed := quota.billed_seconds(self.seconds)) > self._reserved:
                self._extend(needed)
            if self.seconds > self._renew_at:
                self._renew_at += RENEW_EVERY_SECONDS
                patiently(lifecycle.renew, self._claim)
            yield chunk

    def _extend(self, needed: int) -> None:
        """A minute ahead where there is room, else to the second. Raises QuotaExceeded."""
        try:
            patiently(lifecycle.extend, self._claim, needed + EXTENSION_SECONDS)
            self._reserved = needed + EXTENSION_SECONDS
        except QuotaExceeded:
            patiently(lifecycle.extend, self._claim, needed)
            self._reserved = needed


def decode_options(row: Transcription) -> DecodeOptions:
    return DecodeOptions(
        model=row.model,
        task="translate" if row.task == "translate" else "transcribe",
        language=row.language or None,
        languages=tuple(codes_of(row.languages)),
        temperature=row.temperature,
        prompt=row.prompt,
        hotwords=row.hotwords,
        word_timestamps=row.word_timestamps,
        beam_size=row.beam_size,
        lane=LANES[row.lane],
    )


def rows_of(row: Transcription, result: WindowResult, first_index: int) -> list[Segment]:
    return [
        Segment(
            tenant_id=row.tenant_id,
            transcription=row,
            index=first_index + number,
            start=segment.start,
            end=segment.end,
            text=segment.text.replace("\x00", ""),
            seek=segment.seek,
            tokens=list(segment.tokens),
            temperature=segment.temperature,
            avg_logprob=segment.avg_logprob,
            compression_ratio=segment.compression_ratio,
            no_speech_prob=segment.no_speech_prob,
            language=result.language,
            words=[asdict(word) for word in segment.words],
        )
        for number, segment in enumerate(result.segments)
    ]


def worker_name(pid: int) -> str:
    """host, gpuworker, worker and process: what an operator needs to find it."""
    return f"{settings.GPUWORKER_NAME}/{_seat.number}.{pid}"


def failure_of(error: Exception) -> Failure:
    """What an exception means for the promise."""
    detail = redact(f"{type(error).__name__}: {error}")[:2000]
    match error:
        case MediaError():
            return Failure(error.code, detail)
        case QuotaExceeded():
            return Failure("quota", detail)
        case WindowRejected():
            return Failure("rejected", detail)
        case DecoderDied():
            return Failure("decoder", detail)
        case EngineError():
            return Failure("engine", detail)
        case OSError():
            return Failure("storage", detail)
    log.error("Unexpected failure", exc_info=error)
    return Failure("internal", detail)


def _save(
    claim: Claim, row: Transcription, segments: list[Segment], result: WindowResult, way: Pass, decoded_seconds: float
) -> None:
    row.model_version = _version_of_all(row, result)
    row.saved_seconds = result.end
    row.heard_languages = heard_so_far(row, result)
    language = max(row.heard_languages, key=row.heard_languages.__getitem__, default=result.language)
    about = (result.end, language, row.model_version, way.after(result), row.heard_languages, decoded_seconds)
    sequence = patiently(lifecycle.save_window, claim, segments, *about)
    progress.advanced(claim.tenant_id, claim.recording_id, claim.transcription_id, sequence, row.percent, segments)


def heard_so_far(row: Transcription, result: WindowResult) -> dict[str, float]:
    """Seconds of text by language, this window's included."""
    heard: dict[str, float] = dict(row.heard_languages)
    if seconds := sum(segment.end - segment.start for segment in result.segments):
        heard[result.language] = round(heard.get(result.language, 0.0) + seconds, 3)
    return heard


def _version_of_all(row: Transcription, result: WindowResult) -> str:
    """The model version that decoded all windows so far; empty, then for good, where it was not one."""
    return result.model_version if row.saved_seconds == 0 or row.model_version == result.model_version else ""


def _somebody_watches(recording: Recording) -> bool:
    """Whether a page is about to say "Done" and show a player; programs and long recordings don't wait for one."""
    return recording.source != Recording.Source.API and recording.duration_seconds < PLAYER_FIRST_SECONDS


def _offer_playback(row: Transcription, seconds: float, on_progress: Callable[[], None] = lambda: None) -> None:
    """A copy that browsers can play, where the original is none; a failure costs only the player."""
    recording = row.recording
    if audio_tracks.found_in(row).is_playable or playable_copies.key_of(row):
        return
    key, track = playable_copies.new_key(row), max(0, row.audio_track_taken - 1)
    try:
        with storage.fetched(recording.storage_key, on_progress) as path, storage.scratch() as copy:
            media.make_playable(path, recording.format, copy, seconds + 1, on_progress, track)
            storage.delete(key)  # of an attempt that ended right here
            storage.keep(copy, key)
    except (MediaError, DecoderDied, OSError, StorageUnavailable) as error:
        log.warning("No playable copy of recording %s: %s", recording.id, error)
        return
    if not playable_copies.note(row, key):
        storage.drop(key)


def _fail(claim: Claim, failure: Failure) -> None:
    try:
        patiently(lifecycle.fail, claim, failure)
    except LostClaim:
        log.info("Transcription %s is no longer ours to fail.", claim.transcription_id)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise HandedBack
