"""What an RQ job does: it claims one transcription and carries it to its end."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType

from django.conf import settings
from django.db import close_old_connections, connections

from tenants import scope
from tenants.quota import QuotaExceeded
from transcription import media, request_id
from transcription.engine import modes
from transcription.engine import types as engine_types
from transcription.engine.client import EngineClient
from transcription.engine.types import DecodeOptions, EngineError, WindowRejected
from transcription.errors import Failure
from transcription.leases import LostClaim, Renewal
from transcription.media import DecoderDied, Listener, MediaError, pcm_cache, storage
from transcription.media.storage import StorageUnavailable
from transcription.media.waveform import Peaks
from transcription.models import Lane, Recording, Stage, Transcription
from transcription.options import audio_tracks, engines
from transcription.options.options import codes_of
from transcription.options.speakers import OFF
from transcription.queue import claims, lifecycle, progress
from transcription.queue.claims import Claim
from transcription.queue.database_outage import retry_through_outage
from transcription.redaction import redact
from transcription.stopwatch import Stopwatch
from transcription.transcripts.terms import Correction
from transcription.worker import claim_watchdog, playback, traces
from transcription.worker.audio_meter import AudioMeter
from transcription.worker.resume import ResumePlan
from transcription.worker.speaker_finder import SpeakerFinder
from transcription.worker.window_writer import WindowWriter

log = logging.getLogger(__name__)
ENGINE_LANES: dict[int, engine_types.Lane] = {
    Lane.INTERACTIVE: "interactive",
    Lane.STANDARD: "standard",
    Lane.BULK: "bulk",
}
PAUSED_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 3600.0
"""Of a job, whose time RQ limits to a day."""
STORAGE_PAUSE_SECONDS = 30.0
"""How long a recording waits whose audio the object storage did not deliver; no attempt is counted."""


class HandedBack(BaseException):
    """This process was told to stop: another worker goes on with the transcription."""


@dataclass(frozen=True)
class WorkerSlot:
    """Which of a gpuworker's workers a process belongs to, and the lanes that it serves."""

    number: int
    lanes: Sequence[int]


_slot = WorkerSlot(0, Lane.values)


def occupy(slot: WorkerSlot) -> None:
    """Sets the slot for the jobs of this worker, before it forks."""
    global _slot
    _slot = slot


def worker_name(pid: int) -> str:
    """Returns the name of a job's process: its gpuworker (host and number), worker and pid."""
    return f"{settings.GPUWORKER_NAME}/{_slot.number}.{pid}"


def work() -> None:
    """Claims the next due transcription and carries it to its end; does nothing where none is due.

    While an operator has paused the engine, it waits: a worker that waits takes no more wake-ups from others.
    """
    close_old_connections()
    begin = time.monotonic()
    while engines.is_paused(settings.GPUWORKER_NAME):
        connections.close_all()
        if time.monotonic() - begin > LONGEST_PAUSE_SECONDS:
            return
        time.sleep(PAUSED_SECONDS)
    signal.signal(signal.SIGUSR1, _raise_handed_back)
    claim = claims.claim(worker_name(os.getpid()), _slot.lanes)
    if claim is not None:
        with scope.bound(claim.tenant_id), request_id.bound(claim.request_id):
            run_attempt(claim)
            traces.send(claim)
    progress.flush()
    connections.close_all()


def run_attempt(claim: Claim) -> None:
    """Transcribes, and ends the attempt in every case: completed, failed, handed back or lost."""
    stopwatch = Stopwatch()
    try:
        with claim_watchdog.interrupt_when_lost(claim):
            transcribe(claim, stopwatch)
    except LostClaim:
        log.info("Transcription %s is no longer ours.", claim.transcription_id)
    except HandedBack:
        retry_through_outage(lifecycle.hand_back, claim, 0.0, stopwatch.stages)
    except StorageUnavailable:
        retry_through_outage(lifecycle.hand_back, claim, STORAGE_PAUSE_SECONDS, stopwatch.stages)
    except Exception as error:
        _fail(claim, failure_of(error), stopwatch.stages)


def transcribe(claim: Claim, stopwatch: Stopwatch) -> None:
    """Decodes the audio, then the text of one window after the other; saves each window, and completes.

    `stopwatch` measures the stages. Raises LostClaim, HandedBack, StorageUnavailable, and the
    errors that `failure_of` knows.
    """
    row = Transcription.objects.select_related("recording", "tenant__quota").get(id=claim.transcription_id)
    engine = EngineClient(str(settings.ENGINE_SOCKET), request_id=claim.request_id)
    plan = ResumePlan.of(row)
    renew = Renewal(partial(retry_through_outage, lifecycle.renew, claim), settings.LEASE_SECONDS / 6)
    meter, writer, peaks = AudioMeter(row, claim, renew), WindowWriter(row, claim, plan), Peaks()
    warnings: list[str] = []
    with SpeakerFinder(row, claim, renew) as finder:
        with ExitStack() as opened:
            with stopwatch.stage(Stage.LOAD):
                pcm = opened.enter_context(open_pcm(row, meter.longest, renew, warnings, finder.listener))
            samples = peaks.watch(meter.watch(stopwatch.each(Stage.DECODE, pcm)))
            options = decode_options(row)
            windows = modes.transcribe(engine, samples, options, plan.mode, plan.resume, renew)
            for window in stopwatch.each(Stage.ENGINE, windows):
                with stopwatch.stage(Stage.SAVE):
                    writer.save(window, meter.seconds)
                    finder.save_checkpoints()
        with stopwatch.stage(Stage.SPEAKERS):
            speakers = finder.find(meter.seconds)
    row.warnings = list(dict.fromkeys([*warnings, *finder.warnings]))
    if copy_first := playback.is_awaited(row.recording) and row.heard_range is None:
        with stopwatch.stage(Stage.COPY):
            playback.store_playable_copy(row, meter.seconds, renew)
    folder = Recording.objects.values_list("folder", flat=True).get(id=row.recording_id)  # of now
    correction = Correction.of(row.tenant_id, folder)
    correction.prepare(speakers.texts if speakers else row.segments.values_list("text", flat=True))
    whole = (writer.text, meter.seconds, peaks.points(), row.warnings, speakers, finder.error, correction.write)
    retry_through_outage(lifecycle.complete, claim, *whole, peaks.blocks, stopwatch.stages)
    log.info("Transcription %s is complete: %.1f s of audio.", claim.id, meter.seconds)
    if not copy_first and row.heard_range is None:
        playback.store_playable_copy(row, meter.seconds)


@contextmanager
def open_pcm(
    row: Transcription,
    longest: float,
    on_progress: Callable[[], None],
    warnings: list[str],
    listener: Listener | None = None,
) -> Iterator[Iterator[bytes]]:
    """Yields what is to be heard as 16 kHz mono s16le chunks: those that intake cached, or decoded ones.

    Decoding stops after `longest` seconds. `listener` hears two channels apart, where there are two. Adds the codes of
    what it finds to `warnings` by the end of the audio.
    """
    if pcm := pcm_cache.take(row.id):
        warnings += row.warnings
        if listener is not None:
            listener(pcm, 1)
        yield iter([pcm])
        return
    with storage.local_copy(row.recording.storage_key, on_progress) as path:
        track = audio_tracks.index_of(row, path, longest)
        if (heard := row.heard_range) is None:
            yield media.decode(path, row.recording.format, longest, track, warnings.append, listener)
        else:
            whole = media.decode(path, row.recording.format, settings.DECODED_SECONDS_LIMIT, track)
            yield media.clipped(whole, *heard, on_progress)


def decode_options(row: Transcription) -> DecodeOptions:
    """Returns a transcription's options as the engine takes them."""
    return DecodeOptions(
        model=row.model,
        task="translate" if row.task == "translate" else "transcribe",
        language=row.language or None,
        languages=tuple(codes_of(row.languages)),
        temperature=row.temperature,
        prompt=row.prompt,
        hotwords=row.hotwords,
        word_timestamps=row.word_timestamps,
        prefers_words=row.speakers != OFF,
        beam_size=row.beam_size,
        lane=ENGINE_LANES[row.lane],
    )


def failure_of(error: Exception) -> Failure:
    """Returns the failure, with its code and a redacted detail, that an exception ends an attempt with."""
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


def _fail(claim: Claim, failure: Failure, stages: lifecycle.Stages) -> None:
    log.warning("Transcription %s: %s: %s", claim.transcription_id, failure.code, failure.detail)
    try:
        retry_through_outage(lifecycle.fail, claim, failure, stages)
    except LostClaim:
        log.info("Transcription %s is no longer ours to fail.", claim.transcription_id)


def _raise_handed_back(_signal: int, _frame: FrameType | None) -> None:
    raise HandedBack
