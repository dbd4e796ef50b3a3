"""The names of speakers in files, hostile ones included."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import docx
import pysubs2
import pytest

from tenants import scope
from tests.conftest import Character
from tests.portal.web.conftest import make_transcription
from transcription import exports
from transcription.exports import Layout
from transcription.models import Segment, Speaker, Transcription

pytestmark = pytest.mark.django_db
HOSTILE = "=cmd|' /C calc'!A0</v><script>&--> 00:00:09.000"


@pytest.fixture(autouse=True)
def bound(alice: Character) -> Any:
    with scope.bound(alice.tenant.id):
        yield


@pytest.fixture
def row(alice: Character) -> Transcription:
    row = make_transcription(alice.tenant, speakers="2", text="Good morning.")
    with scope.bound(alice.tenant.id):
        row.segments.all().delete()
        texts = ("Good morning.", "How are you?", "Well.", "Hm.")
        for index, (text, voice) in enumerate(zip(texts, (0, 0, 1, None), strict=True)):
            fields: dict[str, Any] = {"start": 2.0 * index, "end": 2.0 * index + 1.5, "text": f" {text}"}
            Segment.objects.create(tenant=alice.tenant, transcription=row, index=index, speaker=voice, **fields)
        Speaker.objects.bulk_create([Speaker.numbered(row, 0, "Ann"), Speaker.numbered(row, 1)])
    return row


def body(row: Transcription, format: str, layout: Layout | None = None) -> Any:
    return exports.render(row, format, layout).body


def call(row: Transcription, name: str) -> None:
    Speaker.objects.filter(transcription=row, index=0).update(name=name)


def test_text_has_a_line_for_each_turn_with_the_name_once(row: Transcription) -> None:
    assert body(row, "txt") == "Ann: Good morning. How are you?\nSpeaker 2: Well.\nHm.\n"


def test_subrip_has_the_name_where_the_speaker_changes(row: Transcription) -> None:
    read = pysubs2.SSAFile.from_string(body(row, "srt"), format_="srt")
    assert [cue.plaintext for cue in read] == ["Ann: Good morning.", "How are you?", "Speaker 2: Well.", "Hm."]


def test_subtitles_with_line_lengths_count_the_name_and_leave_it_with_its_words(row: Transcription) -> None:
    call(row, "Anna Maria von Fuchs")
    cues = [cue.plaintext for cue in pysubs2.SSAFile.from_string(body(row, "srt", Layout(12, 2)), format_="srt")]
    assert max(len(line) for cue in cues for line in cue.splitlines()) <= 12
    assert not [cue for cue in cues if cue.rstrip().endswith("Fuchs:")]
    assert " ".join(" ".join(cues).split()).startswith("Anna Maria von Fuchs: Good morning. How are you? Speaker 2:")


def test_webvtt_has_a_voice_in_each_cue_of_a_known_speaker(row: Transcription) -> None:
    lines = [line for line in body(row, "vtt").splitlines() if line and "-->" not in line]
    assert lines == ["WEBVTT", "<v Ann>Good morning.", "<v Ann>How are you?", "<v Speaker 2>Well.", "Hm."]
    assert "<v Ann>Good\n" in body(row, "vtt", Layout(10, 1))


def test_tables_have_a_column_and_json_a_field_for_the_speaker(row: Transcription) -> None:
    rows = list(csv.DictReader(io.StringIO(body(row, "tsv")), delimiter="\t"))
    assert [(one["text"], one["speaker"]) for one in rows][1:] == [
        ("How are you?", "Ann"),
        ("Well.", "Speaker 2"),
        ("Hm.", ""),
    ]
    segments = json.loads(body(row, "json"))["segments"]
    assert [(one["speaker"], one["overlap"]) for one in segments][2:] == [("Speaker 2", False), (None, False)]


def test_word_has_the_name_in_bold(row: Transcription) -> None:
    paragraphs = docx.Document(io.BytesIO(body(row, "docx"))).paragraphs[2:]
    assert [re.sub(r"^\[.*?\]\s", "", one.text) for one in paragraphs][:2] == [
        "Ann: Good morning.",
        "Ann: How are you?",
    ]
    assert [run.text for run in paragraphs[0].runs if run.bold] == ["Ann: "]


def test_without_speakers_files_are_as_they_were(row: Transcription) -> None:
    row.speakers = "off"
    assert body(row, "txt").startswith("Good morning.\n")
    assert body(row, "tsv").startswith("start\tend\ttext\n")
    assert "speaker" not in json.loads(body(row, "json"))["segments"][0]


@pytest.mark.parametrize("format", list(exports.WRITERS))
def test_no_name_breaks_a_file(format: str, row: Transcription) -> None:
    call(row, HOSTILE)
    whole = body(row, format)
    if format == "vtt":
        assert whole.count("<v ") == 3
        assert "<script" not in whole
        assert len(pysubs2.SSAFile.from_string(whole, format_="vtt")) == 4
    elif format == "srt":
        assert len(pysubs2.SSAFile.from_string(whole, format_="srt")) == 4
    elif format == "tsv":
        assert whole.splitlines()[1].split("\t")[3].startswith("'=cmd")
    elif format == "json":
        assert json.loads(whole)["segments"][0]["speaker"] == HOSTILE
    elif format == "docx":
        assert HOSTILE in docx.Document(io.BytesIO(whole)).paragraphs[2].text
