"""Makes a video of a recording with subtitles: burnt into the picture, or as tracks that a player shows.

A recording without a picture gets a dark one. What is struck has neither sound nor picture, nor the captions that a
picture's own stream may carry: then the picture is encoded anew.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from transcription.media import ffmpeg
from transcription.media.audio_reader import KEEPS_ITS_START
from transcription.media.errors import MediaError
from transcription.media.ffmpeg import COPY_BYTES, Ffmpeg, last_line, reading
from transcription.media.formats import ALLOWED_DEMUXERS, source_options
from transcription.media.parts import joined_parts
from transcription.media.report import STREAM

DARK = (1280, 720)
DARK_SOURCE = "color=c=0x10151a:s=1280x720:r=10"
LONGEST_SIDE = 1920
MOST_FRAMES = 30
"""A second, of a picture that is encoded anew. It has at least ten: subtitles change between the frames of a slide."""

MATROSKA = "matroska,webm"
"""Of which ffmpeg reads joined files by itself, and lays their pictures on top of each other."""

COPIED = {
    "mp4": {"h264", "hevc", "av1", "mpeg4", "vp9", "aac", "mp3", "ac3"},
    "matroska": {
        *("h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mpeg2video", "theora"),
        *("aac", "mp3", "ac3", "eac3", "opus", "vorbis", "flac", "pcm_s16le"),
    },
}
"""The codecs that a container takes as they are."""

SIZE = re.compile(r", (\d{2,5})x(\d{2,5})(?: \[SAR (\d+):(\d+))?")
TURNED = re.compile(r"\A(?:\n    .*)*?\n +[Dd]isplay ?[Mm]atrix: rotation of -?(?:90|270)\.", re.MULTILINE)
PROGRESS = re.compile(rb"^out_time_us=(\d+)", re.MULTILINE)
NO_GLYPH = re.compile(r"failed to find any fallback with glyph 0x([0-9A-F]+)")
MOST_LETTERS = 3000
SPANS_AT_ONCE = 50
CHECK_SECONDS = 60


@dataclass(frozen=True)
class Picture:
    """A stream of pictures: its number in the file, its codec, and how large it is seen."""

    stream: int
    codec: str
    width: int
    height: int

    @property
    def shown_size(self) -> tuple[int, int]:
        """Returns width and height when it is encoded anew: even, LONGEST_SIDE at most."""
        scale = min(1.0, LONGEST_SIDE / max(self.width, self.height))
        return max(2, int(self.width * scale / 2) * 2), max(2, int(self.height * scale / 2) * 2)


@dataclass(frozen=True)
class Source:
    """What a video is made of. `track` counts audio tracks from 0, `silent` are the seconds that are struck.

    `sound` is a copy of the track, silent there, where something is struck or the file is not read as it is.
    """

    path: Path
    container: str
    picture: Picture | None
    track: int
    codec: str
    seconds: float
    silent: Sequence[Sequence[float]] = ()
    sound: Path | None = None


@dataclass(frozen=True)
class Subtitles:
    """What is shown: a script of Advanced SubStation Alpha that is burnt in, or tracks: SubRip, and ISO 639-2 codes."""

    burnt: str = ""
    tracks: tuple[tuple[str, str], ...] = ()


def picture_of(path: Path, container: str, *, is_mended: bool = False) -> Picture | None:
    """Returns the first stream of moving pictures; None without one. Raises MediaError and DecoderDied.

    Films that were joined are refused, not_media: their pictures would end with the first. `is_mended`: the file's
    sound has that warning.
    """
    output = ["-t", "0", "-f", "null", "pipe:1"]
    with ffmpeg.decoder(path, source_options(path, container), output, CHECK_SECONDS, CHECK_SECONDS) as process:
        for _chunk in process.chunks():
            pass
        process.check_exit(process.report)
    for match in STREAM.finditer(process.report):
        if match[3] == "Video" and "(attached pic)" not in match[4] and (size := SIZE.search(match[4])):
            wide = int(size[3]) / max(1, int(size[4])) if size[3] else 1.0
            codec = match[4].split(" ", 1)[0].rstrip(",")
            shown = max(2, round(int(size[1]) * wide)), max(2, int(size[2]))
            if len(joined_parts(path)) > 1 or (is_mended and container == MATROSKA):
                raise MediaError("not_media", "Films were joined.")
            turned = TURNED.match(process.report[match.end() : match.end() + 10_000])
            return Picture(int(match[1]), codec, *(reversed(shown) if turned else shown))
    return None


def missing_letters(text: Iterable[str], folder: Path, script: Callable[[str], str]) -> str:
    """Returns the letters of a text that no font of this machine has. Raises MediaError and DecoderDied.

    script: makes a script of Advanced SubStation Alpha that shows a text.
    """
    letters = sorted({letter for line in text for letter in line if unicodedata.category(letter)[0] in "LN"})
    (folder / "letters.ass").write_text(script("".join(letters[:MOST_LETTERS])), "utf-8")
    inputs = ["-f", "lavfi", "-i", f"{DARK_SOURCE}:d=0.1"]
    output = ["-vf", "ass=filename=letters.ass", "-f", "rawvideo"]
    target = folder / "letters.raw"
    with ffmpeg.converter(inputs, output, target, CHECK_SECONDS, 2 * CHECK_SECONDS, COPY_BYTES) as process:
        _watch(process)
    target.unlink(missing_ok=True)
    return "".join(sorted({chr(int(code, 16)) for code in NO_GLYPH.findall(process.report)} & set(letters)))


def make_video(
    source: Source, subtitles: Subtitles, container: str, target: Path, on_progress: Callable[[float], None]
) -> None:
    """Writes a video as `container`, mp4 or matroska; tells `on_progress` the seconds that are done.

    Streams are copied where the container takes them and nothing is burnt in or struck. Raises MediaError and
    DecoderDied.
    """
    plan = _Plan(source, subtitles, container, target.parent)
    try:
        plan.run(target, on_progress, copies=True)
    except MediaError as error:
        if error.code != "not_media" or not plan.has_copies:
            raise
        plan.run(target, on_progress, copies=False)  # streams without timestamps, as of an old AVI


class _Plan:
    """The inputs and options of one video. Files of its own lie in `folder`, and are named by their names in it."""

    def __init__(self, source: Source, subtitles: Subtitles, container: str, folder: Path) -> None:
        self.source, self.subtitles, self.container = source, subtitles, container
        self._codecs, self._folder = COPIED[container], folder
        self._copies_picture = not (subtitles.burnt or source.silent) and self._takes(source.picture)
        self._copies_sound = not source.silent and source.codec in self._codecs
        self.has_copies = self._copies_picture or self._copies_sound
        if subtitles.burnt:
            (folder / "burnt.ass").write_text(subtitles.burnt, "utf-8")
        for number, (text, _language) in enumerate(subtitles.tracks):
            (folder / f"{number}.srt").write_text(text, "utf-8")

    def _takes(self, picture: Picture | None) -> bool:
        return picture is not None and picture.codec in self._codecs

    def run(self, target: Path, on_progress: Callable[[float], None], *, copies: bool) -> None:
        """Raises MediaError and DecoderDied."""
        seconds = self.source.seconds
        most_bytes = max(COPY_BYTES, 2 * self.source.path.stat().st_size)
        limits = (300 + 10 * seconds, 900 + 40 * seconds, most_bytes)
        output = [*self._maps(), *self._picture(copies), *self._sound(copies), *self._tracks(), *self._container()]
        with ffmpeg.converter(self._inputs(), output, target, *limits) as process:
            _watch(process, on_progress)
        if process.returncode != 0:
            raise MediaError("not_media", last_line(process.report))

    def _inputs(self) -> list[str]:
        source = self.source
        # The text's clock is that of a browser: from the first timestamp on, where the container doesn't keep it.
        clock = ["-copyts"] if source.container in KEEPS_ITS_START else []
        known = [*reading(ALLOWED_DEMUXERS), *source_options(source.path, source.container)]
        inputs = [*clock, *known, "-i", f"file:{source.path}"] if source.picture or not source.sound else []
        inputs += [*reading(["mov"]), "-i", f"file:{source.sound}"] if source.sound else []
        if source.picture is None:
            inputs += ["-f", "lavfi", "-i", f"{DARK_SOURCE}:d={source.seconds:.3f}"]
        for number in range(len(self.subtitles.tracks)):
            inputs += [*reading(["srt"]), "-f", "srt", "-i", f"file:{self._folder / f'{number}.srt'}"]
        return inputs

    def _maps(self) -> list[str]:
        source, copy = self.source, 1 if self.source.picture else 0
        after = copy + 1 if source.sound else 1
        picture = f"0:{source.picture.stream}" if source.picture else f"{after}:v:0"
        sound = f"{copy}:a:0" if source.sound else f"0:a:{source.track}"
        first = after + (source.picture is None)
        subtitles = [one for number in range(len(self.subtitles.tracks)) for one in ("-map", f"{first + number}:s:0")]
        return ["-map", picture, "-map", sound, *subtitles, "-map_metadata", "-1", "-map_chapters", "-1", "-dn"]

    def _picture(self, copies: bool) -> list[str]:
        if copies and self._copies_picture:
            is_hevc = self.container == "mp4" and self.source.picture and self.source.picture.codec == "hevc"
            return ["-c:v", "copy", *(["-tag:v", "hvc1"] if is_hevc else [])]
        filters = [*self._frames(), *_dark(self.source.silent)]
        filters += ["ass=filename=burnt.ass"] if self.subtitles.burnt else []
        encoder = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-pix_fmt", "yuv420p", "-a53cc", "0"]
        return ["-vf", ",".join([*filters, "setsar=1"]), "-threads", "1", "-filter_threads", "1", *encoder]

    def _frames(self) -> list[str]:
        if self.source.picture is None:
            return []
        width, height = self.source.picture.shown_size
        return [f"fps=fps='clip(source_fps,10,{MOST_FRAMES})'", f"scale={width}:{height}"]

    def _sound(self, copies: bool) -> list[str]:
        copied = self.source.sound is not None or (copies and self._copies_sound)
        return ["-c:a", "copy"] if copied else ["-c:a", "aac", "-b:a", "128k"]

    def _tracks(self) -> list[str]:
        kind = "mov_text" if self.container == "mp4" else "srt"
        options = ["-c:s", kind] if self.subtitles.tracks else []
        for number, (_text, language) in enumerate(self.subtitles.tracks):
            options += [f"-metadata:s:s:{number}", f"language={language}"]
            options += [f"-disposition:s:{number}", "default" if number == 0 else "0"]
        return options

    def _container(self) -> list[str]:
        longest = f"{self.source.seconds + 60:.3f}"  # a picture may end later than the sound
        return ["-t", longest, *(["-movflags", "+faststart"] if self.container == "mp4" else []), "-f", self.container]


def _dark(spans: Sequence[Sequence[float]]) -> list[str]:
    """Returns filters that hide the picture in some seconds, and a frame's time beside them."""
    filters = []
    for first in range(0, len(spans), SPANS_AT_ONCE):
        some = spans[first : first + SPANS_AT_ONCE]
        when = "+".join(f"between(t,{max(0.0, one[0] - 0.1):.3f},{one[1] + 0.1:.3f})" for one in some)
        filters.append(f"drawbox=x=0:y=0:w=iw:h=ih:c=black:t=fill:enable='{when}'")
    return filters


def _watch(process: Ffmpeg, on_progress: Callable[[float], None] = lambda _seconds: None) -> None:
    """Raises MediaError if it exceeded a limit, and DecoderDied if it was killed."""
    for chunk in process.chunks():
        if found := PROGRESS.findall(chunk):
            on_progress(int(found[-1]) / 1e6)
    process.check_exit(process.report)
