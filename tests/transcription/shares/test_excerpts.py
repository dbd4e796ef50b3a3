"""Whatever a link's options are, nobody reads or hears what none of them grants."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants import scope
from tests.conftest import Character
from tests.portal.shared.conftest import make_interview
from transcription.models import Segment
from transcription.shares import links, text
from transcription.shares.links import LinkOptions
from transcription.shares.models import Share

pytestmark = pytest.mark.django_db
SHARED = HealthCheck.function_scoped_fixture, HealthCheck.too_slow
calmly = settings(deadline=None, max_examples=25, suppress_health_check=SHARED)
PASSWORD = "winter morning"
SPOKEN = [
    *("alfa", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo", "lima"),
]
TIMES = st.floats(0, 12).map(lambda seconds: round(seconds, 2))
EXCERPTS = st.none() | st.tuples(TIMES, TIMES).filter(lambda times: times[1] - times[0] >= 0.5)


@calmly
@given(
    excerpt=EXCERPTS,
    password=st.sampled_from(["", PASSWORD]),
    given_password=st.sampled_from(["", PASSWORD, "wrong guess"]),
    most_openings=st.none() | st.integers(1, 2),
    before=st.integers(0, 3),
    with_sound=st.booleans(),
    with_download=st.booleans(),
    days=st.sampled_from([None, -1, 1]),
    revoked=st.booleans(),
)
def test_nobody_reads_what_no_option_grants(alice: Character, **options: Any) -> None:
    row = make_interview(alice)
    excerpt = options["excerpt"]
    start, end = excerpt or (0.0, 12.0)
    wanted = LinkOptions(
        password=options["password"],
        most_openings=options["most_openings"],
        with_sound=options["with_sound"],
        with_download=options["with_download"],
        start=excerpt and start,
        end=excerpt and end,
    )
    with scope.bound(alice.tenant.id):
        shown = links.create(alice.actor, row.recording_id, wanted)
        expiry = None if options["days"] is None else timezone.now() + timedelta(days=options["days"])
        Share.objects.filter(id=shown.share.id).update(expires_at=expiry, openings=options["before"])
        if options["revoked"]:
            links.revoke(alice.actor, shown.share.id)
    path, guest = f"/s/{shown.secret}/", Client(REMOTE_ADDR=f"203.0.113.{row.id.int % 250}")
    guest.post(path, {"password": options["given_password"]})
    told = " ".join(guest.get(path + rest).content.decode(errors="replace") for rest in ("", "lines"))
    files = {format: guest.get(f"{path}transcript.{format}") for format in ("txt", "srt", "vtt", "tsv", "json")}
    is_live = not options["revoked"] and options["days"] != -1
    knows = not options["password"] or options["given_password"] == PASSWORD
    is_left = options["most_openings"] is None or options["before"] < options["most_openings"]
    granted = [word for at, word in enumerate(SPOKEN) if start <= at + 0.01 and at + 1 <= end + 0.01]
    seen = [word for word in SPOKEN if re.search(rf"\b{word}\b", re.sub("<[^>]*>", " ", told), re.IGNORECASE)]
    if is_live and knows and is_left:
        assert seen == granted
        for format, answer in files.items():
            assert (answer.status_code == 200) == options["with_download"]
            if options["with_download"]:
                body = answer.content.decode()
                assert [word for word in SPOKEN if re.search(rf"\b{word}\b", body, re.IGNORECASE)] == granted, format
        assert guest.get(f"{path}peaks.json").status_code == (200 if options["with_sound"] else 404)
    else:
        assert seen == []
        assert "Interview" not in told
        assert {answer.status_code for answer in files.values()} == {404}
        assert guest.get(f"{path}peaks.json").status_code == 404
    assert "alice" not in told.lower()


WORDS = st.lists(st.tuples(st.sampled_from(["fox", "dog", "hen"]), st.floats(-2, 14), st.floats(-2, 14)), max_size=6)
SEGMENTS = st.lists(st.tuples(st.floats(0, 12), st.floats(0, 12), WORDS), max_size=4)


@calmly
@given(segments=SEGMENTS, excerpt=EXCERPTS.filter(bool))
def test_times_of_words_in_any_disorder_give_no_word_outside_of_an_excerpt(
    segments: list[tuple[float, float, list[tuple[str, float, float]]]], excerpt: tuple[float, float], alice: Character
) -> None:
    rows, number = [], 0
    for first, last, spoken in segments:
        words = []
        for word, start, end in spoken:
            number += 1
            words.append({"word": f" {word}{number}", "start": start, "end": end, "probability": 0.5})
        said = "".join(str(word["word"]) for word in words)
        rows.append(Segment(start=min(first, last), end=max(first, last), text=said, words=words))
    start, end = excerpt
    inside = {
        str(word["word"]).strip()
        for row in rows
        for word in row.words
        if (start - 0.01 <= word["start"] and word["end"] <= end + 0.01)
        or (start - 0.01 <= row.start and row.end <= end + 0.01)
    }
    found = [one for _place, one in text._cut(rows, excerpt)]
    told = json.dumps([[one.text, one.words, one.tokens] for one in found])
    assert set(re.findall(r"(?:fox|dog|hen)\d+", told)) <= inside
    assert all(one.start >= 0 and one.end <= end - start + 0.01 for one in found)
