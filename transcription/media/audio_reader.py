"""One audio track of a file, heard on the media's own clock.

Timestamps say when sound is heard, samples only how much of it there is: audio that begins late or has gaps gets the
silence that a player's clock passes over, and that silence counts like sound. Nothing is cut out: where timestamps go
back, as in recordings that were joined, the sound goes on.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from transcription.media import ffmpeg, structure
from transcription.media.errors import DecoderDied, MediaError
from transcription.media.ffmpeg import Ffmpeg
from transcription.media.matroska import Block, read_blocks
from transcription.media.mixing import Mixer
from transcription.media.report import Header, is_cut_off

SAMPLE_RATE = 16_000
SAMPLE_BYTES = 2
BYTES_PER_SECOND = SAMPLE_BYTES * SAMPLE_RATE
GAP_SECONDS = 0.1
SHORTEST_SECONDS = 0.1
JUMP_SECONDS = 10.0
CLAIM_TOLERANCE = 1.0
CLAIM_SHARE = 0.01

KEEPS_ITS_START = ("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "ogg")
"""Containers whose clock begins at 0 in a browser, however late their first stream begins."""

MAY_JUMP = ("mpegts", "mpeg")
"""Broadcasts: where their timestamps jump by more than JUMP_SECONDS another clock begins, and nothing is missing."""

AHEAD_SECONDS = 200_000
"""Added to timestamps while Matroska carries them, which knows none below 0; MPEG's reach down to 95,444 s."""

MONOTONIC_TIMESTAMPS = "".join(
    (
        "asetpts='st(2,if(isnan(PTS),ld(1),PTS+ld(0)));",
        "st(3,if(gt(N,0)*lt(ld(2),ld(1)-SR),ld(1)-ld(2),0));",
        "st(0,ld(0)+ld(3));st(2,ld(2)+ld(3));st(1,if(gt(N,0),max(ld(1),ld(2)+NB_SAMPLES),ld(2)+NB_SAMPLES));",
        f"ld(2)+{AHEAD_SECONDS}*SR'",
    )
)
"""Timestamps that go back by more than a second begin a new clock, which goes on where the sound before it ended."""


@dataclass
class AudioReader:
    """Reads one track; what it found out stands in it when `pcm` has ended. `stereo` keeps two channels apart.

    `header` is there from the first sound on. `is_over` says that ffmpeg itself came to the end of the track, and not
    a limit or a reader that had enough.
    """

    path: Path
    source: list[str]
    track: int
    longest: float
    cpu_seconds: float
    wall_seconds: float | None = None
    rate: int = SAMPLE_RATE
    stereo: bool = False

    header: Header = field(default_factory=Header)
    report: str = ""
    channels: int = 1
    samples: int = 0
    decoded: int = 0
    is_over: bool = False
    has_gaps: bool = False
    _moved: float = 0.0
    _mixer: Mixer = field(default_factory=Mixer)

    def pcm(self) -> Generator[bytes]:
        """s16le in pieces of about a second, counted as they stream.

        Raises MediaError: too_long past `longest` seconds, too_complex past its CPU time; and DecoderDied where
        ffmpeg was killed before the end.
        """
        piece = bytearray()
        for some in self._sound():
            piece += some
            if len(piece) >= SAMPLE_BYTES * self.rate:
                yield bytes(piece)
                piece.clear()
        if piece:
            yield bytes(piece)

    @property
    def origin(self) -> float:
        """The timestamp at which the media's clock is 0."""
        return 0.0 if self.header.container in KEEPS_ITS_START else self.header.start

    @property
    def seconds(self) -> float:
        """How far the clock has come."""
        return self.samples / self.rate

    @property
    def decoded_seconds(self) -> float:
        """How much of it was sound."""
        return self.decoded / self.rate

    def warnings(self) -> tuple[str, ...]:
        """What the reader of a text should know, as codes."""
        found = {
            "incomplete": self.is_over and self._is_incomplete(),
            "other_tracks": len(self.header.tracks) > 1,
            "channels_cancel": self._mixer.cancels,
            "gaps": self.has_gaps,
        }
        return tuple(code for code, holds in found.items() if holds)

    def _is_incomplete(self) -> bool:
        if is_cut_off(self.report, self.header.container) or structure.is_cut_off(self.path, self.header.container):
            return True
        is_alone = not self.header.has_video and len(self.header.tracks) == 1  # else the claim may be another stream's
        claimed = self.header.claimed or 0.0 if is_alone else 0.0
        return claimed - self.seconds > max(CLAIM_TOLERANCE, CLAIM_SHARE * claimed)

    def _sound(self) -> Iterator[bytes]:
        """ffmpeg folds channels of a known layout to two at most; of any others each counts the same."""
        yield from self._run(":channel_layouts=mono|stereo")
        if not self.decoded and self.header.has_unknown_layout(self.track):
            yield from self._run("")

    def _run(self, layouts: str) -> Iterator[bytes]:
        form = f"aformat=sample_fmts=s16:sample_rates={self.rate}{layouts}"
        output = [
            "-map",
            f"0:a:{self.track}",
            "-af",
            f"{form},{MONOTONIC_TIMESTAMPS}",
            "-c:a",
            "pcm_s16le",
            "-f",
            "matroska",
        ]
        with ffmpeg.decoder(
            self.path, self.source, [*output, "pipe:1"], self.cpu_seconds, self.wall_seconds
        ) as process:
            for block in read_blocks(process.chunks()):
                if not self.header.container:
                    self.header = Header.parse(process.report)
                if layouts and self.header.has_unknown_layout(self.track):
                    return
                yield from self._placed(block)
            self._end(process)

    def _end(self, process: Ffmpeg) -> None:
        """Raises MediaError and DecoderDied."""
        self.report = process.report
        self.header = Header.parse(self.report)
        process.check_exit(self.report)
        if self.header.tracks and self.track >= len(self.header.tracks):
            raise MediaError("no_such_track", tracks=len(self.header.tracks))
        if process.crashed and self.decoded:
            raise DecoderDied(f"ffmpeg crashed: {process.returncode}.")
        self.is_over = True

    def _placed(self, block: Block) -> Iterator[bytes]:
        """Silence up to it, where it begins later than the sound before it ended, and the sound. Raises MediaError."""
        self.channels = 2 if self.stereo and block.channels == 2 else 1
        begins = block.seconds - AHEAD_SECONDS - self.origin + self._moved
        missing = round(begins * self.rate) - self.samples
        if self.decoded and missing > JUMP_SECONDS * self.rate and self.header.container in MAY_JUMP:
            self._moved -= missing / self.rate
        elif missing > GAP_SECONDS * self.rate:
            self.has_gaps = self.has_gaps or self.decoded > 0
            yield from self._silence(missing)
        count = len(block.pcm) // SAMPLE_BYTES // block.channels
        self._advance(count)
        self.decoded += count
        yield block.pcm if self.channels == 2 else self._mixer.mono(block.pcm, block.channels)

    def _silence(self, samples: int) -> Iterator[bytes]:
        self._advance(samples)
        whole, rest = divmod(samples, self.rate)
        for count in [*[self.rate] * whole, rest]:
            yield bytes(count * SAMPLE_BYTES * self.channels)

    def _advance(self, samples: int) -> None:
        self.samples += samples
        if self.samples > self.longest * self.rate:
            raise MediaError("too_long")
