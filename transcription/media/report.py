"""Parses ffmpeg's messages about a file: its container, its audio tracks and the length in its header."""

from __future__ import annotations

import re
from dataclasses import dataclass

from transcription.media.formats import AUDIO_FILES, CONTAINERS

LONGEST_TITLE = 200
MOST_TRACKS = 100

# Anchored at ffmpeg's own indentation: the file's metadata, which is untrusted, is indented further.
INPUT = re.compile(r"^Input #0, (\S+), from ", re.MULTILINE)
DURATION = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
START = re.compile(r"^  Duration: .*?, start: (-?\d+\.\d+)", re.MULTILINE)
STREAM = re.compile(r"^  Stream #0:(\d+)(?:\[\w+\])?(?:\((\w+)\))?: (\w+): (.*)$", re.MULTILINE)
TITLE = re.compile(r"\A(?:\n    .*)*?\n      title +: (.*)")
ASIDE = re.compile(r"\((?:comment|visual impaired|hearing impaired|dub|descriptions)\)")
ASIDE_TITLE = re.compile(r"\b(?:commentar|audio ?descri|descriptive|described|kommentar|commentaire)", re.IGNORECASE)
CHANNELS = re.compile(r"\d+ Hz, ([^,]+)")
GUESSED_LAYOUT = re.compile(
    r"^(?:\[aist#0:(\d+)/.*\] )?Guessed Channel Layout(?: for Input Stream #0\.(\d+))?", re.MULTILINE
)
ESTIMATED = re.compile(r"^\S.*Estimating duration from bitrate", re.MULTILINE)
NOT_ALLOWED = re.compile(r"^\S.*Format not on whitelist", re.MULTILINE)
LOW_SCORE = re.compile(r"^\S.*detected only with low score", re.MULTILINE)
CUT_OFF = re.compile(r"^\S.*(partial file$|File ended prematurely)", re.MULTILINE)
CHANGE = re.compile(
    r"^\S.*(Reconfiguring filter graph because audio|Changing audio frame properties)|^\[Eval @ \w+\] \d+\.\d+$",
    re.MULTILINE,
)
CUT_PACKET = re.compile(r"^\S.*corrupt input packet in stream", re.MULTILINE)
WITH_WHOLE_PACKETS = {*f"{CONTAINERS} {AUDIO_FILES}".split(), "mov,mp4,m4a,3gp,3g2,mj2"} - {"mpeg", "mpegts", "wav"}
"""Containers in which a truncated packet means a truncated file; received streams have such packets anywhere."""

KNOWN_LAYOUT = re.compile(r"mono|stereo|downmix|hexagonal|octagonal|(?:quad|[2-7]\.[01])(?:\([a-z-]+\))?")
"""Those that ffmpeg downmixes without leaving a channel out; it refuses, or loses, channels of others."""

LAYOUTS = {"mono": 1, "stereo": 2, "downmix": 2, "binaural": 2, "quad": 4, "cube": 8, "hexagonal": 6, "octagonal": 8}


@dataclass(frozen=True)
class AudioTrack:
    """One audio stream of a file. `index` is that of ffmpeg's 0:a:INDEX; `channels` is 0 if unknown."""

    index: int
    codec: str
    channels: int
    language: str
    title: str
    is_default: bool


@dataclass(frozen=True)
class Header:
    """What ffmpeg reports before the first audio. `claimed` is the length in the header, None if ffmpeg estimated it.

    `start` is the first timestamp of all streams, in seconds. `unknown_layouts` are the indexes of tracks of whose
    channels ffmpeg knows no place, `asides` those that accompany another: comments, described pictures.
    """

    container: str = ""
    claimed: float | None = None
    start: float = 0.0
    tracks: tuple[AudioTrack, ...] = ()
    has_video: bool = False
    has_streams: bool = False
    unknown_layouts: frozenset[int] = frozenset()
    asides: frozenset[int] = frozenset()

    @classmethod
    def parse(cls, report: str) -> Header:
        container, start = INPUT.search(report), START.search(report)
        if container is None:
            return cls()
        streams = {int(match[1]): match for match in reversed(list(STREAM.finditer(report)))}
        audio = [streams[number] for number in sorted(streams) if streams[number][3] == "Audio"][:MOST_TRACKS]
        guessed = {int(match[1] or match[2] or -1) for match in GUESSED_LAYOUT.finditer(report)}
        tracks = tuple(_track(index, match, report) for index, match in enumerate(audio))
        return cls(
            container=container[1],
            claimed=None if ESTIMATED.search(report) else _claimed(report),
            start=float(start[1]) if start else 0.0,
            tracks=tracks,
            has_video=any(match[3] == "Video" and "(attached pic)" not in match[4] for match in streams.values()),
            has_streams=bool(streams),
            unknown_layouts=frozenset(
                track.index
                for track, match in zip(tracks, audio, strict=True)
                if not _is_known(match) or (track.channels > 2 and int(match[1]) in guessed)
            ),
            asides=frozenset(
                track.index
                for track, match in zip(tracks, audio, strict=True)
                if ASIDE.search(match[4]) or ASIDE_TITLE.search(track.title)
            ),
        )


def is_cut_off(report: str, container: str) -> bool:
    """Returns whether ffmpeg found less data than the file's index or a packet's header says."""
    return bool(CUT_OFF.search(report) or (container in WITH_WHOLE_PACKETS and CUT_PACKET.search(report)))


def changes_form(report: str) -> bool:
    """Returns whether rate, channels or timestamps started anew in the middle, beyond which browsers don't play."""
    return bool(CHANGE.search(report))


def is_format_refused(report: str) -> bool:
    """Returns whether ffmpeg knows the format, but it is not allowed."""
    return bool(NOT_ALLOWED.search(report))


def is_guessed(report: str) -> bool:
    """Returns whether ffmpeg only guessed the format."""
    return bool(LOW_SCORE.search(report))


def _claimed(report: str) -> float | None:
    match = DURATION.search(report)
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else None


def _track(index: int, match: re.Match[str], report: str) -> AudioTrack:
    title, layout = TITLE.match(report[match.end() : match.end() + 10_000]), CHANNELS.search(match[4])
    return AudioTrack(
        index=index,
        codec=match[4].split(" ", 1)[0].rstrip(","),
        channels=_channels(layout[1]) if layout else 0,
        language="" if match[2] in (None, "und") else match[2],
        title=_printable(title[1]) if title else "",
        is_default="(default)" in match[4],
    )


def _is_known(match: re.Match[str]) -> bool:
    layout = CHANNELS.search(match[4])
    return layout is None or KNOWN_LAYOUT.fullmatch(layout[1].strip()) is not None


def _channels(layout: str) -> int:
    name = layout.split("(")[0].strip()
    if number := re.fullmatch(r"(\d+) channels", name):
        return int(number[1])
    if re.fullmatch(r"\d+(\.\d+)+", name):
        return sum(int(part) for part in name.split("."))
    return LAYOUTS.get(name, 0)


def _printable(text: str) -> str:
    return "".join(letter for letter in text if letter.isprintable()).strip()[:LONGEST_TITLE]
