"""Saves what the engine makes of each window of a recording."""

from __future__ import annotations

from dataclasses import asdict

from transcription.engine.types import WindowResult
from transcription.models import Segment, Transcription
from transcription.queue import lifecycle, progress
from transcription.queue.claims import Claim
from transcription.queue.database_outage import retry_through_outage
from transcription.transcripts.ranking import doubtful_words
from transcription.worker.resume import ResumePlan


class WindowWriter:
    """Appends windows to a transcription, after those that earlier attempts saved."""

    def __init__(self, row: Transcription, claim: Claim, plan: ResumePlan) -> None:
        self._row = row
        self._claim = claim
        self._plan = plan
        self._texts = list(row.segments.values_list("text", flat=True))

    @property
    def text(self) -> str:
        """The text of all windows so far."""
        return "".join(self._texts).strip()

    def save(self, result: WindowResult, decoded_seconds: float) -> None:
        """Saves a window and tells watchers; `decoded_seconds` of audio are known to exist. Raises LostClaim."""
        row, claim = self._row, self._claim
        segments = segments_of(row, result, first_index=len(self._texts))
        self._texts += [segment.text for segment in segments]
        row.model_version = _common_version(row, result)
        row.saved_seconds = result.end
        row.heard_languages = seconds_by_language(row, result)
        row.missed_speech = [*row.missed_speech, *result.missed_speech]
        row.doubtful_words += doubtful_words(segments, result.missed_speech)
        sequence = retry_through_outage(
            lifecycle.save_window,
            claim,
            segments,
            saved_seconds=result.end,
            language=max(row.heard_languages, key=row.heard_languages.__getitem__, default=result.language),
            model_version=row.model_version,
            resume=self._plan.state_after(result),
            heard_languages=row.heard_languages,
            missed_speech=row.missed_speech,
            doubtful_words=row.doubtful_words,
            decoded_seconds=decoded_seconds,
        )
        progress.announce_progress(row, sequence, segments)


def segments_of(row: Transcription, result: WindowResult, first_index: int) -> list[Segment]:
    """Returns unsaved segments for a window, numbered from `first_index`."""
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
            non_speech_share=segment.non_speech_share,
            language=result.language,
            words=[asdict(word) for word in segment.words],
        )
        for number, segment in enumerate(result.segments)
    ]


def seconds_by_language(row: Transcription, result: WindowResult) -> dict[str, float]:
    """Returns the seconds of text in each language so far, with those of this window."""
    seconds: dict[str, float] = dict(row.heard_languages)
    if added := sum(segment.end - segment.start for segment in result.segments):
        seconds[result.language] = round(seconds.get(result.language, 0.0) + added, 3)
    return seconds


def _common_version(row: Transcription, result: WindowResult) -> str:
    """Returns the model version of all windows so far, or "", from then on, where they had several."""
    return result.model_version if row.saved_seconds == 0 or row.model_version == result.model_version else ""
