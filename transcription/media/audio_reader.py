"""Reads one audio track of a file on the media's clock.

Audio that starts late or has gaps is filled with silence by its timestamps, as a player does, and the silence counts
as audio. Nothing is dropped: where timestamps go back, as in concatenated recordings, the audio continues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from transcription.media import ffmpeg, parts, structure
from transcription.media.errors import DecoderDied, MediaError
from transcription.media.ffmpeg import Ffmpeg
from transcription.media.formats import is_refused
from transcription.media.full_scale import MEASURED_SECONDS, full_scale
from transcription.media.heads import WHOLE, Part
from transcription.media.matroska import Block, read_blocks
from transcription.media.mixing import Mixer
from transcription.media.report import Header, changes_form, is_cut_off

SAMPLE_RATE = 16_000
SAMPLE_BYTES = 2
BYTES_PER_SECOND = SAMPLE_BYTES * SAMPLE_RATE
GAP_SECONDS = 0.1
SHORTEST_SECONDS = 0.1
JUMP_SECONDS = 10.0
CLAIM_TOLERANCE = 1.0
CLAIM_SHARE = 0.01

MOVIE = "mov,mp4,m4a,3gp,3g2,mj2"
KEEPS_ITS_START = ("matroska,webm", MOVIE, "ogg")
"""Containers whose clock starts at 0 in a browser, however late their first stream starts."""

MAY_JUMP = ("mpegts", "mpeg")
"""Broadcast formats, in which a jump of more than JUMP_SECONDS means another clock, not missing audio."""

LONGEST_GAP = 3600.0
"""In other formats that is so from here on, be it where the audio begins, as in a piece of a live stream."""

LOW_FREQUENCIES = "aresample=lfe_mix_level=0.5"
"""ffmpeg leaves their channel out, and some programs put speech into it."""

WITHOUT_CLOCK = ("aac", "loas")
"""Formats whose timestamps ffmpeg counts by the first frame's rate, though another may follow."""

LAYOUTS = {1: ":channel_layouts=mono|stereo", 2: ":channel_layouts=stereo"}
"""Of the parts after one with so many channels: the mixer has to see whether two cancel out."""

FAR_AHEAD = ("-probesize", "200M", "-analyzeduration", "3600M")
"""Finds sound that begins long after the picture in formats that name their streams nowhere. ffmpeg keeps the rest."""

GOES_ON_SECONDS = 0.5
MOST_REPORT = 1 << 23

AHEAD_SECONDS = 200_000
"""Added to timestamps, since Matroska has no negative ones; MPEG's go down to -95,444 s."""

MONOTONIC_TIMESTAMPS = "".join(
    (
        "asetpts='st(2,if(isnan(PTS),ld(1),PTS+ld(0)));",
        "st(3,if(gt(N,0)*lt(ld(2),ld(1)-SR),print(ld(1)-ld(2)),0));",
        "st(0,ld(0)+ld(3));st(2,ld(2)+ld(3));st(1,if(gt(N,0),max(ld(1),ld(2)+NB_SAMPLES),ld(2)+NB_SAMPLES));",
        f"ld(2)+{AHEAD_SECONDS}*SR'",
    )
)
"""Shifts timestamps after a step back of more than a second, so that they continue where the audio before ended.

Prints each shift, for `report.CHANGE`.
"""


def goes_on(begins: float, ended: float) -> bool:
    """Returns whether the clock of a part, which begins so, is that of the part before, as in fragments of a film."""
    return begins > GOES_ON_SECONDS and abs(begins - ended) < GOES_ON_SECONDS


def is_jump(seconds: float, container: str, *, is_late: bool) -> bool:
    """Returns whether so much missing audio means another clock. is_late: it is missing before all other audio."""
    return seconds > (JUMP_SECONDS if container in MAY_JUMP and not is_late else LONGEST_GAP)


Listener = Callable[[bytes, int], None]
"""Takes interleaved s16le and the number of its channels, the same one for all of a track."""


@dataclass
class AudioReader:
    """Reads one track by `pcm`; the other fields are complete when it ends. `stereo` keeps two channels.

    `listener` is told all sound with its channels, 1 or 2, before two of them are mixed to one.
    `header` is set from the first audio on. `is_over` tells that ffmpeg reached the end of the track, and `has_failed`
    that it found an error. `parts` are those of the file that ffmpeg reads one by one.
    """

    path: Path
    source: list[str]
    track: int
    longest: float
    cpu_seconds: float
    wall_seconds: float | None = None
    rate: int = SAMPLE_RATE
    stereo: bool = False
    listener: Listener | None = None

    header: Header = field(default_factory=Header)
    report: str = ""
    channels: int = 1
    samples: int = 0
    decoded: int = 0
    is_over: bool = False
    has_failed: bool = False
    parts: list[Part] = field(default_factory=list)
    has_gaps: bool = False
    _layouts: str = ":channel_layouts=mono|stereo"
    _full_scale: float = 0.0
    _volume: str = ""
    _jumped: float = 0.0
    _heard_channels: int = 0
    _lacks_a_part: bool = False
    _is_new_part: bool = False
    _used_seconds: float = 0.0
    _until: float | None = None
    _moved: float = 0.0
    _mixer: Mixer = field(default_factory=Mixer)

    def pcm(self) -> Generator[bytes]:
        """Yields s16le in chunks of about a second.

        Raises MediaError: too_long after `longest` seconds, too_complex beyond the CPU time; and DecoderDied if
        ffmpeg was killed.
        """
        chunk = bytearray()
        for data in self._decoded_audio():
            chunk += data
            if len(chunk) >= SAMPLE_BYTES * self.rate:
                yield bytes(chunk)
                chunk.clear()
        if chunk:
            yield bytes(chunk)

    @property
    def origin(self) -> float:
        """The timestamp at which the media's clock is 0."""
        return 0.0 if self.header.container in KEEPS_ITS_START else self.header.start

    @property
    def _is_mended(self) -> bool:
        is_torn = self.is_over and self.header.container == "aac" and structure.aac_frames(self.path)[1]
        has_wrong_clock = self._jumped and self.header.container not in MAY_JUMP
        if is_torn or has_wrong_clock or self._volume:
            return True
        is_read_as_it_is = {"-ignore_length", "-ignore_editlist", FAR_AHEAD[0]}.isdisjoint(self.source)
        return self.parts != [WHOLE] or not is_read_as_it_is

    @property
    def seconds(self) -> float:
        """The length read so far, including silence."""
        return self.samples / self.rate

    @property
    def decoded_seconds(self) -> float:
        """The length of the decoded audio."""
        return self.decoded / self.rate

    def warnings(self) -> tuple[str, ...]:
        """Returns the codes of transcription.media.warnings that apply."""
        conditions = {
            "incomplete": self.is_over and self._is_incomplete(),
            "other_tracks": len(self.header.tracks) > 1,
            "channels_cancel": self._mixer.cancels,
            "gaps": self.has_gaps,
            "mended": self._is_mended or changes_form(self.report),
        }
        return tuple(code for code, holds in conditions.items() if holds)

    def _is_incomplete(self) -> bool:
        if self._lacks_a_part:
            return True
        if is_cut_off(self.report, self.header.container) or structure.is_cut_off(self.path, self.header.container):
            return True
        is_alone = not self.header.has_video and len(self.header.tracks) == 1  # else it may be another stream's length
        claimed = (self.header.claimed or 0.0) - self._jumped if is_alone else 0.0
        return claimed - self.seconds > max(CLAIM_TOLERANCE, CLAIM_SHARE * claimed)

    def _decoded_audio(self) -> Iterator[bytes]:
        """Lets ffmpeg downmix known channel layouts to at most two; unknown ones are averaged by the mixer."""
        self.parts = self.parts or parts.joined_parts(self.path)
        self._until = time.monotonic() + self.wall_seconds if self.wall_seconds else None
        yield from self._run(self.parts[0])
        while not self.decoded and self._reads_otherwise():
            yield from self._run(self.parts[0])
        self._layouts = LAYOUTS.get(self._heard_channels, "")
        self._lacks_a_part = len(self.parts) > parts.MOST_PARTS
        for part in self.parts[1 : parts.MOST_PARTS]:
            if self._until and time.monotonic() > self._until:
                self.is_over = False
                return
            before, self._moved, self._is_new_part = self.decoded, self.seconds, True
            yield from self._run(part)
            self._lacks_a_part = self._lacks_a_part or self.has_failed or self.decoded == before

    def _reads_otherwise(self) -> bool:
        """Returns whether the file is to be read once more: as it is now known that it has to be, each way once."""
        if self._layouts and self.track in self.header.unknown_layouts:
            self._layouts = ""
        elif self._full_scale > 1 and not self._volume:
            self._volume = f"volume={1 / self._full_scale},"
        elif self._hides_all_by_an_edit_list():
            self.source = [*self.source, "-ignore_editlist", "1"]
        elif self.header.has_streams and not self.header.tracks and not self._is_read_with(FAR_AHEAD):
            self.source = [*self.source, *FAR_AHEAD]
        elif self.parts == [WHOLE] and not is_refused(self.path):
            self.parts = [parts.behind_other_bytes(self.path)]
            return self.parts != [WHOLE]
        else:
            return False
        return True

    def _hides_all_by_an_edit_list(self) -> bool:
        is_read = self.header.container == MOVIE and bool(self.header.tracks) and self.is_over
        return is_read and not self._is_read_with(["-ignore_editlist"])

    def _is_read_with(self, options: Sequence[str]) -> bool:
        return options[0] in self.source

    def _run(self, part: Part) -> Iterator[bytes]:
        self.is_over = False
        form = f"{LOW_FREQUENCIES},aformat=sample_fmts=s16:sample_rates={self.rate}{self._layouts}"
        output = [
            "-map",
            f"0:a:{self.track}",
            "-af",
            f"{self._volume}{form},{MONOTONIC_TIMESTAMPS}",
            "-c:a",
            "pcm_s16le",
            "-f",
            "matroska",
        ]
        with self._decoder(part, output) as process:
            for block in read_blocks(process.chunks()):
                if not self.decoded:
                    self.header = Header.parse(process.report)
                if not self._full_scale:
                    self._full_scale = self._measured_scale(part)
                if self._full_scale > 1 and not self._volume:
                    return
                if self._layouts and self.track in self.header.unknown_layouts:
                    return
                yield from self._placed(block)
            self._end(process)

    @contextmanager
    def _decoder(self, part: Part, output: list[str]) -> Iterator[Ffmpeg]:
        """Runs an ffmpeg with what is left of the reader's limits. Of later parts the format may be another one."""
        cpu_seconds = max(1.0, self.cpu_seconds - self._used_seconds)
        wall_seconds = max(1.0, self._until - time.monotonic()) if self._until else None
        source = self.source[2:] if part != self.parts[0] and self.source[:1] == ["-f"] else self.source
        with ffmpeg.decoder(self.path, source, [*output, "pipe:1"], cpu_seconds, wall_seconds, part) as process:
            yield process
        self._used_seconds += process.cpu_seconds

    def _measured_scale(self, part: Part) -> float:
        """Returns what stands for 1 in the track's samples. Raises MediaError and DecoderDied."""
        if not any(track.index == self.track and track.codec.startswith("pcm_f") for track in self.header.tracks):
            return 1.0
        output = ["-map", f"0:a:{self.track}", "-t", str(MEASURED_SECONDS), "-c:a", "pcm_f32le", "-f", "f32le"]
        with self._decoder(part, output) as process:
            scale = full_scale(process.chunks())
            if not process.timed_out:
                process.check_exit(process.report)
        return scale

    def _end(self, process: Ffmpeg) -> None:
        """Raises MediaError and DecoderDied."""
        report = process.report
        self.report = (self.report + report)[-MOST_REPORT:]
        if not self.decoded or len(self.parts) == 1:
            self.header = Header.parse(report)
        process.check_exit(report)
        if self.header.tracks and self.track >= len(self.header.tracks):
            raise MediaError("no_such_track", tracks=len(self.header.tracks))
        if process.crashed and self.decoded:
            raise DecoderDied(f"ffmpeg crashed: {process.returncode}.")
        self.is_over, self.has_failed = True, process.returncode != 0

    def _placed(self, block: Block) -> Iterator[bytes]:
        """Yields a block's audio, after silence if it starts later than the audio before ended. Raises MediaError."""
        self._heard_channels = self._heard_channels or block.channels
        heard = 2 if block.channels == self._heard_channels == 2 else 1
        self.channels = 2 if self.stereo and heard == 2 else 1
        begins = block.seconds - AHEAD_SECONDS - self.origin
        if self._is_new_part and goes_on(begins, self.seconds):
            self._moved = 0.0
        self._is_new_part = False
        begins += self._moved
        missing = round(begins * self.rate) - self.samples
        if is_jump(missing / self.rate, self.header.container, is_late=not self.decoded):
            self._moved -= missing / self.rate
            self._jumped += missing / self.rate
        elif missing > GAP_SECONDS * self.rate and self.header.container not in WITHOUT_CLOCK:
            self.has_gaps = self.has_gaps or self.decoded > 0
            yield from self._silence(missing, heard)
        count = len(block.pcm) // SAMPLE_BYTES // block.channels
        self._advance(count)
        self.decoded += count
        sound = block.pcm if self.channels == 2 else self._mixer.mono(block.pcm, block.channels)
        if self.listener is not None:
            self.listener(*((block.pcm, 2) if heard == 2 else (sound, 1)))
        yield sound

    def _silence(self, samples: int, heard_channels: int) -> Iterator[bytes]:
        self._advance(samples)
        whole, rest = divmod(samples, self.rate)
        for count in [*[self.rate] * whole, rest]:
            if self.listener is not None:
                self.listener(bytes(count * SAMPLE_BYTES * heard_channels), heard_channels)
            yield bytes(count * SAMPLE_BYTES * self.channels)

    def _advance(self, samples: int) -> None:
        self.samples += samples
        if self.samples > self.longest * self.rate:
            raise MediaError("too_long")
