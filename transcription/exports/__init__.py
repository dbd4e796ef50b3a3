"""Writes transcripts as files: txt, srt, vtt, json, tsv and docx."""

from tenants.formulas import escape_formulas
from transcription.exports import beside
from transcription.exports.cues import Cue, split_into_cues
from transcription.exports.fields import (
    extra_fields,
    segment_fields,
    spoken_language,
    spoken_words,
    text_language,
    verbose_json,
)
from transcription.exports.formats import SUBTITLES, WRITERS, Export, cues_of, file_name_of, render
from transcription.exports.layout import Layout
from transcription.exports.speakers import names_of
from transcription.exports.subtitles import WEBVTT_HEAD, clock, subrip, subrip_of, webvtt
from transcription.exports.texts import plain_text, tsv

__all__ = [
    "SUBTITLES",
    "WEBVTT_HEAD",
    "WRITERS",
    "Cue",
    "Export",
    "Layout",
    "beside",
    "clock",
    "cues_of",
    "escape_formulas",
    "extra_fields",
    "file_name_of",
    "names_of",
    "plain_text",
    "render",
    "segment_fields",
    "split_into_cues",
    "spoken_language",
    "spoken_words",
    "subrip",
    "subrip_of",
    "text_language",
    "tsv",
    "verbose_json",
    "webvtt",
]
