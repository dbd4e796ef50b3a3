"""Struck words: in no file, answer or search, whatever is done to the text afterwards."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import pytest
from django.http import Http404
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants import scope
from tests.conftest import Character
from tests.portal.web.conftest import make_transcription
from transcription import exports, search
from transcription.errors import InvalidOption
from transcription.exports import Layout
from transcription.exports.zips import zip_of
from transcription.models import Recording, Segment, Transcription
from transcription.strikes import overlaps, without
from transcription.transcripts import editing, striking
from transcription.transcripts.revisions import ANY
from transcription.transcripts.segment_edits import SegmentEdit
from transcription.transcripts.striking import Words

pytestmark = pytest.mark.django_db
# A busy machine is slow, and the fixtures are as good for each example.
calmly = settings(
    deadline=None,
    max_examples=8,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
WORD = re.compile(r"(?:w\d{3}x|词\d{3}词)")


@st.composite
def transcripts(draw: st.DrawFn) -> list[list[tuple[str, float, float]]]:
    """Lines of words, each of which stands once, with seconds from and to. Lines may begin before others end."""
    lines, number, at = [], 0, 0.0
    for _line in range(draw(st.integers(2, 5))):
        words = []
        for _word in range(draw(st.integers(1, 6))):
            length = draw(st.sampled_from([0.0, 0.02, 0.3, 0.5, 1.25]))
            spelt = draw(st.sampled_from(["w{:03}x", "w{:03}x,", "词{:03}词"])).format(number)
            words.append((spelt, round(at, 3), round(at + length, 3)))
            at, number = at + length + draw(st.sampled_from([0.0, 0.0, 0.4])), number + 1
        lines.append(words)
        at = max(words[0][1], at + draw(st.sampled_from([0.0, 0.5, -0.4, -1.5])))
    return lines


def written(row: Transcription, lines: list[list[tuple[str, float, float]]], timed: list[bool]) -> None:
    row.segments.all().delete()
    for index, words in enumerate(lines):
        text = "".join(f" {word}" for word, _start, _end in words)
        spoken: list[dict[str, Any]] = [{"word": f" {word}", "start": a, "end": b} for word, a, b in words]
        Segment.objects.create(
            tenant_id=row.tenant_id,
            transcription=row,
            index=index,
            start=words[0][1],
            end=max(words[-1][2], words[0][1] + 0.02),
            text=text,
            tokens=[1, 2, 3],
            words=spoken if timed[index] else [],
        )


def files(row: Transcription, alice: Character) -> dict[str, str]:
    """Returns all that goes out of a transcript."""
    row = Transcription.objects.select_related("recording", "tenant").get(pk=row.pk)
    every = {name: exports.render(row, name).body for name in exports.WRITERS}
    every |= {f"{name} laid out": exports.render(row, name, Layout(10, 1)).body for name in ("srt", "vtt")}
    recordings = Recording.objects.filter(pk=row.recording_id).iterator()
    every["zip"] = zipfile.ZipFile(io.BytesIO(b"".join(zip_of(alice.actor, recordings, "txt")))).read("Meeting.txt")
    entry = search.SearchEntry.objects.filter(recording=row.recording_id).first()
    return {name: read(body) for name, body in every.items()} | ({"index": entry.folded} if entry else {})


def read(body: str | bytes) -> str:
    if isinstance(body, bytes) and body.startswith(b"PK"):
        return zipfile.ZipFile(io.BytesIO(body)).read("word/document.xml").decode()
    return body.decode() if isinstance(body, bytes) else body


@calmly
@given(transcripts(), st.data())
def test_struck_words_are_in_no_file_and_all_others_are(
    alice: Character, lines: list[list[tuple[str, float, float]]], data: st.DataObject
) -> None:
    row = make_transcription(alice.tenant, name="Meeting.mp3")
    timed = [data.draw(st.booleans()) for _line in lines]
    with scope.bound(alice.tenant.id):
        written(row, lines, timed)
        first = data.draw(st.integers(0, len(lines) - 1))
        last = data.draw(st.integers(first, len(lines) - 1))
        texts = [" ".join(word for word, _start, _end in words) for words in lines]
        begin = data.draw(st.integers(0, len(texts[first]) - 1))
        until = data.draw(st.integers(begin + 1 if first == last else 1, len(texts[last])))
        chosen = Words(first, begin, last, until)
        selected = [*texts[first : last + 1]]
        selected[-1] = selected[-1][:until]
        selected[0] = selected[0][begin:]
        if not any(one.strip() for one in selected):
            return
        striking.strike(alice.actor, row.id, chosen, {ANY})
        spans = Recording.objects.get(pk=row.recording_id).struck
        gone, left = set[str](), set[str]()
        for segment, words in zip(row.segments.order_by("index"), lines, strict=True):
            for word, start, end in words:
                place = (start, end) if segment.words else (segment.start, segment.end)
                (gone if overlaps(spans, *place) else left).add(word.strip(","))
        assert {word for one in selected for word in WORD.findall(one)} <= gone
        for name, body in files(row, alice).items():
            found = set(re.findall(r"w\d{3}x", body)) | {f"词{one}词" for one in re.findall(r"词 ?(\d{3}) ?词", body)}
            assert not found & gone, name
            assert name == "index" or "laid out" in name or left <= found, name


@calmly
@given(transcripts(), st.data())
def test_no_correction_makes_struck_words_readable(
    alice: Character, lines: list[list[tuple[str, float, float]]], data: st.DataObject
) -> None:
    other, row = make_transcription(alice.tenant), make_transcription(alice.tenant, name="Meeting.mp3")
    with scope.bound(alice.tenant.id):
        written(row, lines, [data.draw(st.booleans()) for _line in lines])
        index = data.draw(st.integers(0, len(lines) - 1))
        late = data.draw(st.sampled_from([0.0, 0.4, 1.9]))
        Transcription.objects.filter(pk=other.pk).update(recording=row.recording_id)
        elsewhere = [[(word, start + late, end + late) for word, start, end in words] for words in lines]
        written(other, elsewhere, [data.draw(st.booleans()) for _line in lines])
        first, length = lines[index][0][0].strip(","), len(lines[index][0][0])
        striking.strike(alice.actor, row.id, Words(index, 0, index, length), {ANY})
        gone, silent = hidden(row), struck(row)
        for _change in range(data.draw(st.integers(1, 4))):
            change(alice, row, data)
        for name, body in files(row, alice).items():
            assert not [word for word in gone if word in body], name
        editing.revert(alice.actor, row.id, 0, {ANY})
        assert not [word for word in gone if word in files(row, alice)["txt"]]
        assert first in hidden(other), "the other text has it at other times"
        assert not without(silent, struck(row)), "what was silent stays so"
        editing.revert(alice.actor, row.id, 0, {ANY}, strikes=True)
        if not struck(row):
            assert all(word in files(row, alice)["json"] for word in gone)


def test_a_struck_line_is_struck_to_its_end_where_the_next_one_begins_before(alice: Character) -> None:
    row = make_transcription(alice.tenant, name="Meeting.mp3")
    lines = [[("w000x", 0.0, 2.0), ("w001x", 2.0, 4.0)], [("w002x", 1.5, 3.0), ("w003x", 4.0, 5.0)]]
    for timed in (True, False):
        with scope.bound(alice.tenant.id):
            written(row, lines, [timed, True])
            Recording.objects.filter(pk=row.recording_id).update(struck=[])
            striking.strike(alice.actor, row.id, Words(0, 0, 0), {ANY})
            assert hidden(row) == {"w000x", "w001x", "w002x"}
            assert struck(row) == [[0.0, 4.0]]


def test_shifting_leaves_silent_what_was_struck_and_hidden_what_another_text_has_there(alice: Character) -> None:
    row = make_transcription(alice.tenant, name="Meeting.mp3")
    other = make_transcription(alice.tenant, name="Meeting.mp3")
    lines = [[("w000x", 0.0, 0.5)], [("w001x", 4.0, 6.0)], [("w002x", 4.5, 5.0), ("w003x", 9.0, 10.0)]]
    with scope.bound(alice.tenant.id):
        written(row, lines, [True] * 3)
        written(other, lines, [True] * 3)
        Transcription.objects.filter(pk=other.pk).update(recording=row.recording_id)
        striking.strike(alice.actor, row.id, Words(1, 0, 1), {ANY})
        editing.remove(alice.actor, row.id, 1, {ANY})
        editing.shift(alice.actor, row.id, 3.0, {ANY})
        assert struck(row) == [[4.0, 6.0], [7.0, 9.0]]
        assert hidden(row) == {"w002x"}
        assert hidden(other) == {"w001x", "w002x"}


def struck(row: Transcription) -> list[list[float]]:
    spans: list[list[float]] = Recording.objects.get(pk=row.recording_id).struck
    return spans


def hidden(row: Transcription) -> set[str]:
    body = read(exports.render(Transcription.objects.select_related("recording").get(pk=row.pk), "txt").body)
    return {word for one in row.segments.all() for word in WORD.findall(one.text) if word not in body}


def change(alice: Character, row: Transcription, data: st.DataObject) -> None:
    """Changes the transcript as people do; what is refused changes nothing."""
    every = list(row.segments.order_by("index"))
    if not every:
        return
    one = every[data.draw(st.integers(0, len(every) - 1))]
    words = one.text.split()
    try:
        match data.draw(st.sampled_from(["split", "merge", "turn round", "type", "remove", "shift", "retime", "all"])):
            case "split":
                editing.split(alice.actor, row.id, one.index, one.text.strip().rfind(" ") + 1, None, {ANY})
            case "merge":
                editing.merge(alice.actor, row.id, one.index, {ANY})
            case "turn round":
                editing.edit(alice.actor, row.id, one.index, {ANY}, " ".join(reversed(words)))
            case "type":
                editing.edit(alice.actor, row.id, one.index, {ANY}, " ".join(["well,", *words, "indeed"]))
            case "shift":
                last = data.draw(st.sampled_from([None, one.index]))
                editing.shift(alice.actor, row.id, data.draw(st.sampled_from([1.5, -0.5])), {ANY}, one.index, last)
            case "remove":
                editing.remove(alice.actor, row.id, one.index, {ANY})
            case "retime":
                editing.edit(alice.actor, row.id, one.index, {ANY}, None, one.start, one.end + 0.3)
            case "all":
                texts = [SegmentEdit(each.start, each.end, each.text.strip()) for each in every]
                editing.replace(
                    alice.actor, row.id, [SegmentEdit(0.0, texts[-1].end, texts[0].text), *texts[1:]], {ANY}
                )
    except (InvalidOption, Http404):
        return
