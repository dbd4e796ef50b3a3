import io
import json
import re
from collections.abc import Callable
from typing import cast

import docx
import pysubs2
import pytest

from transcription import exports
from transcription.models import Recording, Segment, Task, Transcription

HOSTILE = "<script>alert(1)</script> & -->\n\nNOTE hidden\n\n3\n00:00:01.000 --> end"


@pytest.fixture
def pieces() -> list[Segment]:
    return [
        Segment(index=0, start=0.0, end=1.5, text=" Hello there."),
        Segment(index=1, start=3661.0015, end=3662.0, text=HOSTILE),
        Segment(index=2, start=3663.0, end=3664.0, text=" =1+1\tand more"),
    ]


@pytest.mark.parametrize(("write", "format"), [(exports.subrip, "srt"), (exports.webvtt, "vtt")])
def test_a_reader_finds_as_many_cues_as_were_spoken(
    write: Callable[[list[Segment]], str], format: str, pieces: list[Segment]
) -> None:
    read = pysubs2.SSAFile.from_string(write(pieces), format_=format)
    assert len(read) == 3
    assert (read[0].start, read[0].end) == (0, 1500)
    assert read[1].start in (3661001, 3661002)


def test_webvtt_escapes_markup(pieces: list[Segment]) -> None:
    assert "<script>" not in exports.webvtt(pieces)
    assert "&lt;script&gt;" in exports.webvtt(pieces)


def test_no_cell_is_a_formula(pieces: list[Segment]) -> None:
    rows = exports.tsv(pieces).splitlines()
    assert len(rows) == 4
    assert rows[3].split("\t") == ["3663000", "3664000", "'=1+1 and more"]


@pytest.mark.parametrize("sign", list("=+-@＝＋－＠"))
@pytest.mark.parametrize("before", ["", " ", '"', '" "', "one;", "one,", "one, ", "one|"])
def test_no_cell_is_a_formula_to_any_program(sign: str, before: str) -> None:
    """Full-width signs count too, quotes that a program takes off, and parts after what may be a separator."""
    [_head, row] = exports.tsv([Segment(index=0, start=0.0, end=1.0, text=f"{before}{sign}1+1")]).splitlines()
    cell = row.split("\t")[2]
    assert cell.replace("'", "") == f"{before}{sign}1+1".strip()
    assert re.fullmatch(r"""(one[;,|])?[\s"]*'[\s"]*[=+\-@＝＋－＠]1\+1""", cell)


def test_a_text_that_is_no_formula_stays_as_it_is() -> None:
    texts = ["Board", "“1-2”", "half-time", "a, b; c", "it’s 1 + 1 = 2", "会议"]
    rows = exports.tsv(Segment(index=i, start=i, end=i, text=text) for i, text in enumerate(texts))
    assert [row.split("\t")[2] for row in rows.splitlines()[1:]] == texts


WORDS = [
    {"word": " Hello", "start": 0.0, "end": 0.6, "probability": 0.9},
    {"word": " there.", "start": 0.7, "end": 1.5, "probability": 0.8},
]


def test_the_json_export_has_the_words_of_a_segment_that_has_some(pieces: list[Segment]) -> None:
    pieces[0].words = WORDS
    row = Transcription(recording=Recording(name="a.mp3", duration_seconds=4.0), text="Hello", detected_language="en")
    _kind, write = exports.WRITERS["json"]
    segments = json.loads(write(row, pieces))["segments"]
    assert segments[0]["words"] == WORDS
    assert "words" not in segments[1]


def test_words_have_no_space_before_them_and_keep_their_punctuation(pieces: list[Segment]) -> None:
    pieces[0].words = WORDS
    assert exports.spoken_words(pieces) == [
        {"word": "Hello", "start": 0.0, "end": 0.6},
        {"word": "there.", "start": 0.7, "end": 1.5},
    ]


def test_a_translation_is_in_english_as_openai_has_it(pieces: list[Segment]) -> None:
    recording = Recording(name="a.mp3", duration_seconds=4.0)
    row = Transcription(recording=recording, text="Hello", task=Task.TRANSLATE, detected_language="es")
    assert exports.verbose_json(row, pieces)["language"] == "english"
    _kind, write = exports.WRITERS["json"]
    assert json.loads(write(row, pieces))["language"] == "english"
    _kind, write = exports.WRITERS["docx"]
    assert docx.Document(io.BytesIO(cast(bytes, write(row, pieces)))).core_properties.language == "en"


def test_json_has_every_field_of_a_segment(pieces: list[Segment]) -> None:
    row = Transcription(recording=Recording(name="a.mp3", duration_seconds=4.0), text="Hello", detected_language="en")
    body = json.loads(json.dumps(exports.verbose_json(row, pieces)))
    assert body["language"] == "english"
    assert set(body["segments"][0]) == {
        "id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob", "compression_ratio",
        "no_speech_prob",
    }  # fmt: skip
    assert body["text"] == "Hello"
