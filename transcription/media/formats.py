"""The ffmpeg demuxers that may read uploads.

An allow-list of single-file formats with audio. Excluded are demuxers that open other files, devices or addresses
(concat, hls, dash, imf, sdp, rtp, rtsp, sap, image2, vobsub, mlv, dvdvideo, avisynth, lavfi, all devices), that
synthesise audio from a script or a score (sbg, libgme, libopenmpt), that have no audio (pictures, subtitles, text,
raw video, data), and headerless PCM, whose sample rate is unknown.
"""

from __future__ import annotations

from pathlib import Path, PurePath

from transcription.media.structure import has_stale_wav_length

CONTAINERS = """
    3dostr aa aax asf asf_o avi caf dhav dv flv gxf iff ivr kux live_flv lxf matroska webm mov mp4 m4a 3gp 3g2 mj2
    mpeg mpegts mxf nsv nut nuv ogg pmp pva r3d rm smjpeg swf ty vivo wtv xwma
"""
AUDIO_FILES = """
    act aea aiff alp amr ape apac ast au avr bit bonk brstm codec2 daud dsf dss epaf gsm hcom iamf ilbc ircam laf lc3
    lvf mmf mpc mpc8 nistsphere nsp oma osq paf pvf qcp qoa rka rso sds sdx shn sol sox tak tta voc vqf w64 wav wavarc
    wsd wv wve
"""
BITSTREAMS = """
    aac ac3 ac4 alaw amrnb amrwb aptx aptx_hd dfpwm dts dtshd eac3 flac g722 g723_1 g726 g726le g728 g729 loas mlp mp3
    mulaw s337m sbc sln spdif truehd
"""
GAME_FORMATS = """
    4xm adp ads adx afc aix apc apm argo_asf argo_brp argo_cvg bethsoftvid bfi bfstm bink binka bmv boa c93 cdxl dcstr
    derf dsicin dxa ea ea_cdata film_cpk fsb fwse gdv genh hca hnm idcin ipmovie iss jv kvag mca mm mods moflex msf
    mtaf musx mv mvi mxg pp_bnk psxstr redspark rl2 roq rpl rsd scd sdns sga siff smk smush svag svs thp tiertexseq
    tmv usm vag vividas vmd vpk wady wc3movie wsaud wsvqa xa xmd xmv xvag yop
"""
ALLOWED_DEMUXERS = tuple(f"{CONTAINERS} {AUDIO_FILES} {BITSTREAMS} {GAME_FORMATS}".split())

DEMUXERS_BY_EXTENSION = {
    "722": "g722",
    "al": "alaw",
    "alaw": "alaw",
    "aptx": "aptx",
    "aptxhd": "aptx_hd",
    "dfpwm": "dfpwm",
    "g722": "g722",
    "g723_1": "g723_1",
    "g726": "g726",
    "g728": "g728",
    "g729": "g729",
    "gsm": "gsm",
    "msbc": "sbc",
    "rco": "g723_1",
    "sbc": "sbc",
    "sln": "sln",
    "tco": "g723_1",
    "ul": "mulaw",
    "ulaw": "mulaw",
}
"""Bitstreams without a signature: only the file's extension identifies them."""

REFUSED_EXTENSIONS = {"asx", "cue", "edl", "m3u", "m3u8", "mpd", "pcm", "pls", "raw", "s16", "s16le", "sdp", "xspf"}
REFUSED_SIGNATURES = (b"#EXTM3U", b"PK\x03\x04", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"%PDF-")
TAR_SIGNATURE, TAR_OFFSET = b"ustar", 257

TELEPHONE_RATE = {"alaw": "8000", "mulaw": "8000"}


def source_options(path: Path, container: str = "") -> list[str]:
    """Returns ffmpeg's input options for a file. `container` is its demuxer, if known."""
    if container in ("", "wav") and has_stale_wav_length(path):
        return ["-f", "wav", "-ignore_length", "1"]
    rate = TELEPHONE_RATE.get(container)
    return [*(["-f", container] if container else []), *(["-sample_rate", rate] if rate else [])]


def demuxer_by_extension(name: str) -> str | None:
    """Returns the demuxer of a file's extension, None for one not in `DEMUXERS_BY_EXTENSION`."""
    return DEMUXERS_BY_EXTENSION.get(_suffix(name))


def is_refused(path: Path, name: str = "") -> bool:
    """Returns whether a file of unknown content is a playlist, headerless PCM, an archive or a document.

    By its extension or signature.
    """
    if _suffix(name) in REFUSED_EXTENSIONS:
        return True
    with path.open("rb") as file:
        head = file.read(TAR_OFFSET + len(TAR_SIGNATURE))
    return head.startswith(REFUSED_SIGNATURES) or head[TAR_OFFSET:] == TAR_SIGNATURE


def _suffix(name: str) -> str:
    return PurePath(name).suffix.lower().lstrip(".")
