"""Diarizes in a child process: a crash, a hang or a lack of memory in it costs no more than the speakers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transcription.diarization.types import Diarization, DiarizationError, SpeakerCount


class DiarizationProcess:
    """One recording's diarization, in a child process that lives until `close`.

    Every method raises DiarizationError once the child has failed, was killed, hung, or was out of time; none of them
    waits longer than the time limit. The process that calls need not read anything: sound is handed over by `write`.

    weights: the folder of the models (`settings.WHISPER_WEIGHTS`); nothing is fetched into it. count: how many
    speakers. channels: 1, or 2 for a recording in stereo. checkpoints: what `new_checkpoints` gave
    out in an earlier attempt at the same recording, in order; the sound that they cover must be written again, but is
    not computed again.
    """

    def __init__(self, weights: Path, count: SpeakerCount, channels: int, checkpoints: Sequence[bytes] = ()) -> None:
        raise DiarizationError("not there yet")

    def write(self, samples: NDArray[np.int16] | NDArray[np.float32]) -> None:
        """Hands over the recording's next samples at 16 kHz, shape (n,) or (n, channels); float32 within [-1, 1]."""
        raise NotImplementedError

    def new_checkpoints(self) -> list[bytes]:
        """Returns the checkpoints that were finished since the last call, without waiting."""
        raise NotImplementedError

    def finish(self, on_progress: Callable[[float], None] | None = None) -> Diarization:
        """Waits for the diarization and returns it. on_progress: called with the share that is done, 0 to 1, at least
        once a second; what it raises ends the wait and is raised again.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Ends the child, whatever it does. May be called again."""
        raise NotImplementedError

    def __enter__(self) -> DiarizationProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        self.close()
