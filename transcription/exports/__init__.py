"""A transcript as a file: txt, srt, vtt, json, tsv, docx. One small writer a format."""

from transcription.exports.cues import Cue, cues_of
from transcription.exports.fields import about, segment_fields, spoken_language, spoken_words, text_language, verbose
from transcription.exports.formats import SUBTITLES, WRITERS, Export, render
from transcription.exports.formulas import harmless
from transcription.exports.layout import Layout
from transcription.exports.subtitles import WEBVTT_HEAD, clock, subrip, webvtt
from transcription.exports.texts import plain_text, tabular

__all__ = [
    "SUBTITLES",
    "WEBVTT_HEAD",
    "WRITERS",
    "Cue",
    "Export",
    "Layout",
    "about",
    "clock",
    "cues_of",
    "harmless",
    "plain_text",
    "render",
    "segment_fields",
    "spoken_language",
    "spoken_words",
    "subrip",
    "tabular",
    "text_language",
    "verbose",
    "webvtt",
]
