"""The models of recordings and their transcriptions."""

from tenants.models import Mode
from transcription.models.among import Among
from transcription.models.comment import Comment, Mention
from transcription.models.engine import Engine
from transcription.models.fair_queue import LaneBacklog, TenantSchedule
from transcription.models.folder import Folder, FolderMember, FolderRole
from transcription.models.idempotency import IdempotencyKey
from transcription.models.process import Process
from transcription.models.recording import Loudness, Recording, Way
from transcription.models.redacted_sound import RedactedSound
from transcription.models.revision import MachineText, Revision
from transcription.models.saved_view import SavedView
from transcription.models.search_entry import SearchEntry
from transcription.models.speaker import DiarizationCheckpoint, KnownSpeaker, Speaker
from transcription.models.statistic import StageTime, Statistic
from transcription.models.subtitled_video import SubtitledVideo
from transcription.models.sweeper import Sweeper
from transcription.models.tag import Favourite, Tag, Tagging
from transcription.models.term import Term
from transcription.models.transcription import (
    HEARD_AROUND,
    LATEST_FIRST,
    MAIN,
    MAX_BEAMS,
    SHOWN_AT,
    WHOLE,
    Attempt,
    Lane,
    Segment,
    Stage,
    Status,
    Task,
    Transcription,
)

__all__ = [
    "HEARD_AROUND",
    "LATEST_FIRST",
    "MAIN",
    "MAX_BEAMS",
    "SHOWN_AT",
    "WHOLE",
    "Among",
    "Attempt",
    "Comment",
    "DiarizationCheckpoint",
    "Engine",
    "Favourite",
    "Folder",
    "FolderMember",
    "FolderRole",
    "IdempotencyKey",
    "KnownSpeaker",
    "Lane",
    "LaneBacklog",
    "Loudness",
    "MachineText",
    "Mention",
    "Mode",
    "Process",
    "Recording",
    "RedactedSound",
    "Revision",
    "SavedView",
    "SearchEntry",
    "Segment",
    "Speaker",
    "Stage",
    "StageTime",
    "Statistic",
    "Status",
    "SubtitledVideo",
    "Sweeper",
    "Tag",
    "Tagging",
    "Task",
    "TenantSchedule",
    "Term",
    "Transcription",
    "Way",
]
