"""Why a transcription failed: a code for programs, words for people, and whether another try may help."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

REASONS_OF_THE_FILE = (
    "not_media", "format_not_taken", "no_audio", "no_such_track", "too_short", "too_long", "too_complex",
)  # fmt: skip
REASONS_AT_FAULT = {*REASONS_OF_THE_FILE, "quota", "rejected"}


@dataclass(frozen=True)
class Failure:
    """`detail` is for operators and logs; people read `reason_for_people(code)`."""

    code: str
    detail: str

    @property
    def may_succeed_later(self) -> bool:
        return self.code not in REASONS_AT_FAULT

    @classmethod
    def abandoned(cls) -> Failure:
        return cls("abandoned", "The worker or its machine went away.")

    @classmethod
    def lost_worker(cls) -> Failure:
        return cls("lost_worker", "The worker showed no progress within its lease.")


def reason_for_people(code: str) -> str:
    """One or two sentences that name the cause and the way out."""
    reasons = {
        "not_media": _("This file is damaged or not audio: nothing in it could be decoded. Check that it plays."),
        "format_not_taken": _(
            "This format is not taken: it names other files, has no sound of its own, or does not say what it is. "
            "Convert the recording to WAV, MP3, M4A or FLAC and try again."
        ),
        "no_audio": _("This file has no sound. Upload one that has an audio track."),
        "no_such_track": _("The file has no audio track of this number. Choose another one."),
        "too_short": _("The audio is shorter than a tenth of a second."),
        "too_long": _("The recording is longer than your organisation allows. Split it, or ask for a higher limit."),
        "too_complex": _(
            "Reading this file takes more memory or time than a recording may. Convert it to WAV or MP3 and try again."
        ),
        "quota": _("The recording proved longer than the minutes left this month. Nothing was charged."),
        "rejected": _("The options can't be used for this recording. Choose others and try again."),
        "lost_worker": _("The work stopped three times without a result. Nothing was charged; try again or ask us."),
        "abandoned": _("The machines that worked on it went away again and again. Nothing was charged; try again."),
        "engine": _("The transcription engine failed three times on this recording. Nothing was charged; try again."),
        "decoder": _("Reading the audio was cut off three times. Nothing was charged; try again, or a smaller file."),
        "storage": _("The stored audio could not be read. Nothing was charged; try again in a few minutes."),
    }
    return reasons.get(code, _("Something went wrong on our side. Nothing was charged; please try again."))
