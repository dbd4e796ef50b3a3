"""Diarizes in a child process: a crash, a hang or a lack of memory in it costs no more than the speakers.

The sound goes through an unnamed temporary file, so that nobody who decodes has to wait for the child.
"""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from transcription.diarization.child import CHECKPOINT, FAILURE, PROGRESS, RESULT
from transcription.diarization.types import SAMPLE_RATE, Diarization, DiarizationError, SpeakerCount, Turn

ROOT = Path(__file__).resolve().parents[2]
HANG_SECONDS = 120.0
"""A child that has said nothing for so long while it is waited for hangs. Clustering, which says nothing, takes
seconds."""

LEAST_LIMIT_SECONDS = 300.0
LIMIT_PER_SECOND = 1.0
"""`finish` waits so long for each second of sound: a core needs a twenty-fifth of it."""

FOR_PIP = re.compile("PATH|HOME|PIP_.*|(HTTPS?|ALL|NO)_PROXY|SSL_CERT_FILE|REQUESTS_CA_BUNDLE", re.IGNORECASE)
"""Variables that the child gets, which may have to fetch the networks. The others hold secrets."""

MEBIBYTES = 1024
LOOK_EVERY_SECONDS = 0.5


class DiarizationProcess:
    """One recording's diarization, in a child process that lives until `close`.

    Every method raises DiarizationError once the child has failed, was killed, hung, or was out of time; `write` and
    `new_checkpoints` don't wait, and `finish` no longer than its limits.

    weights: the folder of the models (`settings.WHISPER_WEIGHTS`), into which the child fetches the networks when they
    are not there. count: how many speakers. channels: 1, or 2 for a recording in stereo. checkpoints: what
    `new_checkpoints` gave out in an earlier attempt at the same recording, in order; the sound that they cover must be
    written again, but is not computed again. hang_seconds, limit_seconds: how long `finish` waits for a sign of life,
    and for the end (None: by the recording's length).
    """

    def __init__(
        self,
        weights: Path,
        count: SpeakerCount,
        channels: int,
        checkpoints: Sequence[bytes] = (),
        hang_seconds: float = HANG_SECONDS,
        limit_seconds: float | None = None,
        mebibytes: int = MEBIBYTES,
    ) -> None:
        if channels not in (1, 2):
            raise DiarizationError(f"sound has one channel or two, not {channels}")
        self._channels, self._samples = channels, 0
        self._hang_seconds, self._limit_seconds = hang_seconds, limit_seconds
        self._checkpoints: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._result: bytes | None = None
        self._failure = ""
        self._progress, self._heard_at = 0.0, time.monotonic()
        self._ended = threading.Event()
        options = {
            "weights": str(weights.resolve()),
            "minimum": count.minimum,
            "maximum": count.maximum,
            "channels": channels,
            "sizes": [len(checkpoint) for checkpoint in checkpoints],
            "mebibytes": mebibytes,
        }
        self._start(options)
        threading.Thread(target=self._listen, name="diarization", daemon=True).start()
        threading.Thread(target=self._hand_over, args=(list(checkpoints),), name="checkpoints", daemon=True).start()

    def write(self, samples: NDArray[np.int16] | NDArray[np.float32]) -> None:
        """Hands over the recording's next samples at 16 kHz, shape (n,) or (n, channels); float32 within [-1, 1]."""
        self._raise_failure()
        if samples.ndim > 2 or ((samples.size // max(len(samples), 1)) != self._channels and samples.size):
            raise DiarizationError(f"samples of shape {samples.shape} are not {self._channels} channels")
        if samples.dtype == np.int16:
            data = samples.astype("<i2")
        elif np.issubdtype(samples.dtype, np.floating) and np.isfinite(samples).all():
            data = np.rint(np.clip(samples, -1, 1) * 32767).astype("<i2")
        else:
            raise DiarizationError(f"samples are int16 or finite floats, not {samples.dtype}")
        try:
            self._sound.write(data.tobytes())
            self._sound.flush()
        except OSError as error:
            self._fail(f"the sound can't be kept for it: {error.strerror}")
            self._raise_failure()
        self._samples += len(samples)

    def new_checkpoints(self) -> list[bytes]:
        """Returns the checkpoints that were finished since the last call, without waiting."""
        self._raise_failure()
        found = []
        while not self._checkpoints.empty():
            found.append(self._checkpoints.get())
        return found

    def finish(self, on_progress: Callable[[float], None] | None = None) -> Diarization:
        """Waits for the diarization and returns it. on_progress: called with the share that is done, 0 to 1, at least
        once a second; what it raises ends the wait and is raised again.
        """
        self._complete.set()
        limit = self._limit_seconds
        if limit is None:
            limit = max(LEAST_LIMIT_SECONDS, self._samples / SAMPLE_RATE * LIMIT_PER_SECOND)
        began = time.monotonic()
        self._heard_at = max(self._heard_at, began)
        while not self._ended.wait(LOOK_EVERY_SECONDS):
            if (silent := time.monotonic() - self._heard_at) > self._hang_seconds:
                self._fail(f"it hung: nothing was heard of it for {silent:.0f} s")
            elif time.monotonic() - began > limit:
                self._fail(f"it was not done after {limit:.0f} s")
            self._raise_failure()
            if on_progress is not None:
                on_progress(self._progress)
        self._raise_failure()
        if self._result is None:
            raise DiarizationError("it ended without a result")
        found = json.loads(self._result)
        return Diarization(tuple(Turn(*turn) for turn in found["turns"]), found["by_channel"])

    def close(self) -> None:
        """Ends the child, whatever it does. May be called again."""
        self._complete.set()
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        self._sound.close()

    def __enter__(self) -> DiarizationProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, options: dict[str, object]) -> None:
        self._complete = threading.Event()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._sound = tempfile.TemporaryFile()  # noqa: SIM115
        environment = {name: value for name, value in os.environ.items() if FOR_PIP.fullmatch(name)}
        environment |= {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        try:
            self._child = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "transcription.diarization.child",
                    json.dumps(options | {"sound": self._sound.fileno()}),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=environment,
                pass_fds=[self._sound.fileno()],
                cwd=ROOT,
            )
        except OSError as error:
            self._sound.close()
            raise DiarizationError(f"its process could not be started: {error.strerror}") from error

    def _hand_over(self, checkpoints: list[bytes]) -> None:
        """Writes the checkpoints to the child, and a byte when the sound is complete."""
        assert self._child.stdin is not None
        try:
            for checkpoint in checkpoints:
                self._child.stdin.write(checkpoint)
            self._child.stdin.flush()
            self._complete.wait()
            self._child.stdin.write(b".")
            self._child.stdin.close()
        except OSError:
            pass  # It has ended: _listen says why.

    def _listen(self) -> None:
        """Takes the child's messages until it ends."""
        assert self._child.stdout is not None
        stream = self._child.stdout
        try:
            while head := stream.read(5):
                kind, length = head[:1], struct.unpack("<I", head[1:])[0]
                content = stream.read(length)
                self._heard_at = time.monotonic()
                if kind == PROGRESS:
                    self._progress = struct.unpack("<d", content)[0]
                elif kind == CHECKPOINT:
                    self._checkpoints.put(content)
                elif kind == RESULT:
                    self._result = content
                elif kind == FAILURE:
                    self._fail(content.decode())
        except (OSError, struct.error):
            pass
        code = self._child.wait()
        if self._result is None:
            self._fail(self._cause(code))
        self._ended.set()

    def _cause(self, code: int) -> str:
        if code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"its process ended with {code}: {lines[-1] if lines else 'it said nothing'}"

    def _fail(self, cause: str) -> None:
        """Notes the first cause, and ends the child."""
        self._failure = self._failure or cause
        if self._child.poll() is None:
            self._child.kill()

    def _raise_failure(self) -> None:
        if self._failure:
            raise DiarizationError(f"the speakers could not be told apart: {self._failure}")
