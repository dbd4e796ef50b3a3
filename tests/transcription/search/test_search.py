"""Finding recordings by their names and texts, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import base64
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenants import scope
from tests.conftest import Character
from tests.portal.web.conftest import make_transcription
from transcription import search
from transcription.folders import folders
from transcription.library import filters, recordings, retention
from transcription.library.filters import Filter
from transcription.models import Recording, Segment, Status, Transcription
from transcription.search import SearchEntry, lookup
from transcription.search.folding import fold, terms_of, tokens_of
from transcription.search.highlighting import highlight
from transcription.search.tokens import MAX_BYTES, lexemes, query_of
from transcription.transcripts import editing

# A busy machine is slow.
calmly = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
pytestmark = pytest.mark.django_db


def spoken(character: Character, name: str, *texts: str) -> Transcription:
    """A finished transcription whose segments say the texts, in the index."""
    row = make_transcription(character.tenant, name=name)
    with scope.bound(character.tenant.id):
        Segment.objects.filter(transcription=row).delete()
        for index, text in enumerate(texts):
            Segment.objects.create(
                tenant=row.tenant, transcription=row, index=index, start=index * 5.0, end=index * 5.0 + 4, text=text
            )
        search.index_recording(row.recording_id)
    return row


def names(character: Character, query: str) -> list[str]:
    with scope.bound(character.tenant.id):
        terms = terms_of(query)
        page, _more = search.page(character.actor, terms, None, 50)
        return [hit.recording.name for hit in search.results(page, terms)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("budget", True),
        ("BUDGET marketing", True),
        ("budg", True),
        ("udget", False),
        ("budget holiday", False),
        ("resume", True),
        ("RÉSUMÉ", True),
        ("naïve", True),
        ("strasse", True),
        ("会议", True),
        ("会", True),
        ("要", True),
        ("会议纪要", True),
        ("议会", False),
        ("会纪", False),
        ("预算会议", False),
        ("会议 budget", True),
        ("gpu上", True),
        ("ＧＰＵ", True),
        ("プレゼン", True),
        ("ｐｒｅｓｅｎｔ", False),
        ("회의", True),
        ("ประชุม", True),
        ("बैठक", True),
        ("ёлка", True),
        ("board", True),
        ("2026", True),
    ],
)
def test_words_are_found_in_every_script(query: str, found: bool, alice: Character) -> None:
    spoken(
        alice,
        "Board_2026.mp3",
        " The budget, for Marketing. A resumé; NAÏVE! Straße.",
        "今天的会议纪要在GPU上。预算很好。会议",
        "プレゼンテーション 회의를 เราประชุมกัน बैठकें елка",
    )
    assert names(alice, query) == (["Board_2026.mp3"] if found else [])


def test_a_run_must_stand_together_not_only_its_pairs(alice: Character) -> None:
    spoken(alice, "a.mp3", "会议很长。议纪不是。纪要在此。")
    assert names(alice, "会议纪要") == []
    assert names(alice, "会议") == ["a.mp3"]


def test_words_may_stand_in_name_and_text(alice: Character) -> None:
    spoken(alice, "Quarterly.mp3", " We talked of foxes.")
    assert names(alice, "fox quarterly") == ["Quarterly.mp3"]


@pytest.mark.parametrize("query", ["", "  ", "…!?", "\x00", "' & '", "\\"])
def test_nothing_is_found_by_nothing(query: str, alice: Character) -> None:
    spoken(alice, "a.mp3", " Words.")
    assert names(alice, query) == []


@calmly
@given(st.text(max_size=60), st.text(max_size=20))
def test_no_query_breaks_and_what_is_marked_stands_there(text: str, query: str) -> None:
    terms = terms_of(query)
    parts = highlight(text, terms)
    assert fold("".join(part.text for part in parts)) == fold(text)
    assert all(part.text for part in parts)
    for term in terms:
        assert "'" not in term.text
        assert "\\" not in term.text


@calmly
@given(st.text(min_size=1, max_size=200))
def test_what_is_in_a_text_is_found_in_its_tokens(text: str) -> None:
    folded = fold(text)
    tokens = set(tokens_of(folded))
    for term in terms_of(text):
        assert term.pattern in folded
        if term.is_unspaced and len(term.text) > 1:
            assert {term.text[at : at + 2] for at in range(len(term.text) - 1)} <= tokens
        else:
            assert any(token.startswith(term.text) for token in tokens)


@calmly
@given(text=st.text(max_size=30))
def test_any_text_is_stored_and_asked_for(text: str, alice: Character) -> None:
    with scope.bound(alice.tenant.id):
        Recording.objects.all().delete()
    said = text.replace("\x00", "").encode("utf-8", "ignore").decode()
    spoken(alice, "a.mp3", said)
    assert names(alice, said) == (["a.mp3"] if terms_of(said) else [])
    names(alice, text)


def test_hours_of_any_text_fit_into_the_index(alice: Character) -> None:
    """PostgreSQL refuses a tsvector of a mebibyte: what does not fit is left out, and nothing fails."""
    han = [chr(0x4E00 + n) for n in range(900)]
    text = "".join(a + b for a in han[:450] for b in han)
    assert len(lexemes(alice.tenant.id, fold(text))) > 50_000
    assert sum(len(one.encode()) for one in lexemes(alice.tenant.id, fold(text))) <= MAX_BYTES
    spoken(alice, "long.mp3", text)
    assert names(alice, han[0] + han[1]) == ["long.mp3"]


def test_the_places_are_shown_without_markup(alice: Character) -> None:
    spoken(alice, "Fox <b>.mp3", " Hello.", " A <i>fox</i> & the foxes.", " Dogs.", " Fox!", " fox", " fox")
    with scope.bound(alice.tenant.id):
        terms = terms_of("fox")
        (hit,) = search.results(search.page(alice.actor, terms, None, 50)[0], terms)
    assert [(part.text, part.match) for part in hit.name] == [("Fox", True), (" <b>.mp3", False)]
    assert [match.index for match in hit.matches] == [1, 3, 4]
    first = hit.matches[0]
    assert (first.start, first.end) == (5.0, 9.0)
    assert [part.text for part in first.parts if part.match] == ["fox", "foxes"]
    assert "".join(part.text for part in first.parts) == "A <i>fox</i> & the foxes."


def test_each_word_of_a_query_is_shown_where_it_stands_first(alice: Character) -> None:
    spoken(alice, "a.mp3", " fox", " fox", " fox", " fox", " dog")
    with scope.bound(alice.tenant.id):
        terms = terms_of("fox dog")
        (hit,) = search.results(search.page(alice.actor, terms, None, 50)[0], terms)
    assert [match.index for match in hit.matches] == [0, 1, 4]


def test_a_correction_changes_what_is_found(alice: Character) -> None:
    row = spoken(alice, "a.mp3", " A red fox.", " A dog.")
    with scope.bound(alice.tenant.id):
        editing.edit(alice.actor, row.id, 0, {"*"}, text="A red lynx.")
    assert (names(alice, "fox"), names(alice, "lynx")) == ([], ["a.mp3"])
    with scope.bound(alice.tenant.id):
        editing.revert(alice.actor, row.id, 0, {"*"})
    assert (names(alice, "fox"), names(alice, "lynx")) == (["a.mp3"], [])


def test_a_deleted_recording_is_not_found_until_it_is_back(alice: Character) -> None:
    row = spoken(alice, "a.mp3", " A red fox.")
    with scope.bound(alice.tenant.id):
        recordings.delete(alice.actor, row.recording_id)
        assert names(alice, "fox") == []
        recordings.restore(alice.actor, row.recording_id)
        assert names(alice, "fox") == ["a.mp3"]
        recordings.erase(alice.actor, row.recording_id)
        assert not SearchEntry.objects.exists()


def test_text_that_retention_deleted_is_not_found_but_the_name_is(alice: Character) -> None:
    row = spoken(alice, "Den.mp3", " A red fox.")
    with scope.bound(alice.tenant.id):
        editing.edit(alice.actor, row.id, 0, {"*"}, text="A red lynx.")
        Transcription.objects.update(finished_at=timezone.now() - timedelta(days=9))
    alice.tenant.text_retention_days = 1
    alice.tenant.save()
    assert retention.delete_old_text() == 1
    assert (names(alice, "lynx"), names(alice, "fox"), names(alice, "den")) == ([], [], ["Den.mp3"])
    with scope.bound(alice.tenant.id):
        row = Transcription.objects.get()
        assert not row.revisions.exists()
        assert not hasattr(row, "machine_text")
        assert "lynx" not in SearchEntry.objects.get().folded


def test_the_newest_finished_text_is_the_one_that_is_found(alice: Character) -> None:
    row = spoken(alice, "a.mp3", " fox")
    with scope.bound(alice.tenant.id):
        newer = Transcription.objects.create(
            tenant=row.tenant, recording=row.recording, model="base", status=Status.RUNNING
        )
        Segment.objects.create(tenant=row.tenant, transcription=newer, index=0, start=0, end=1, text=" lynx")
        search.index_recording(row.recording_id)
        assert names(alice, "fox") == ["a.mp3"]
        Transcription.objects.filter(id=newer.id).update(status=Status.COMPLETED)
        search.index_recording(row.recording_id)
        assert (names(alice, "fox"), names(alice, "lynx")) == ([], ["a.mp3"])


def test_the_index_can_be_made_again(alice: Character, mallory: Character) -> None:
    spoken(alice, "a.mp3", " fox")
    spoken(mallory, "b.mp3", " fox")
    with scope.across_tenants("a test"):
        SearchEntry.objects.filter(tenant=mallory.tenant).delete()
        SearchEntry.objects.update(folded=" nothing")
    assert search.index_missing() == 1
    assert names(mallory, "fox") == ["b.mp3"]
    assert search.rebuild() == 2
    assert names(alice, "fox") == ["a.mp3"]


def test_a_tenant_finds_its_own_only(alice: Character, mallory: Character) -> None:
    spoken(alice, "Acme.mp3", " secret fox")
    spoken(mallory, "Evil.mp3", " evil fox")
    assert (names(alice, "fox"), names(mallory, "fox")) == (["Acme.mp3"], ["Evil.mp3"])
    assert query_of(alice.tenant.id, terms_of("fox")) != query_of(mallory.tenant.id, terms_of("fox"))


def test_the_list_of_recordings_is_searched_by_name_and_text(alice: Character) -> None:
    spoken(alice, "Board.mp3", " We saw a lynx.")
    spoken(alice, "Lynxes.mp3", " Nothing.")
    spoken(alice, "Other.mp3", " Nothing.")
    with scope.bound(alice.tenant.id):
        found = {one.name for one in recordings.recordings(alice.actor, Filter(search="lynx"))}
        assert found == {"Board.mp3", "Lynxes.mp3"}
        assert recordings.recordings(alice.actor, Filter(search="YNX")).get().name == "Lynxes.mp3", "any part of a name"


@pytest.mark.parametrize(("most", "common"), [(1000, 16), (1, 16), (1000, 1), (1, 1)])
def test_the_list_finds_what_names_contain_and_stays_behind_the_walls_however_many_match(
    most: int, common: int, alice: Character, bob: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"MOST_FOUND": most, "MOST_RARE": most, "COMMON": common}.items():
        monkeypatch.setattr(filters, name, value)
    monkeypatch.setattr(recordings, "MOST_FOUND", most)
    rows = [
        spoken(alice, name, " We saw a lynx.") for name in ("Meeting.mp3", "meeting 2.mp3", "董事会议.mp3", "x-y.mp3")
    ]
    with scope.bound(alice.tenant.id):
        hidden = folders.create(alice.actor, "Board", restricted=True)
        Recording.objects.filter(id=rows[1].recording_id).update(folder=hidden)

        def found(who: Character, query: str) -> list[str]:
            return [one.name for one in recordings.recordings(who.actor, Filter(search=query), "name")]

        for query, names_of_all in {
            "eetin": ["meeting 2.mp3", "Meeting.mp3"],
            "TING.M": ["Meeting.mp3"],
            "事会": ["董事会议.mp3"],
            "-": ["x-y.mp3"],
            "lynx": ["meeting 2.mp3", "Meeting.mp3", "x-y.mp3", "董事会议.mp3"],
            "ynx": [],
        }.items():
            assert sorted(found(alice, query)) == sorted(names_of_all), query
            visible = set(names_of_all) - {"meeting 2.mp3"}
            assert "meeting 2.mp3" not in found(bob, query)
            assert len(found(bob, query)) == len(visible)
            page = recordings.listing(bob.actor, Filter(search=query), "name", 1, 10)
            assert ({one.name for one in page.rows}, page.count) == (visible, min(len(visible), most)), query
            assert page.and_more == (len(visible) > most)


def test_names_of_entries_of_an_earlier_edition_are_found_before_they_are_written_again(alice: Character) -> None:
    row = spoken(alice, "Meeting.mp3", " fox")
    with scope.bound(alice.tenant.id):
        SearchEntry.objects.update(edition=0)
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("UPDATE transcription_entry SET tokens = ''::tsvector")
        assert [one.id for one in recordings.recordings(alice.actor, Filter(search="eeting"))] == [row.recording_id]
    assert (search.index_missing(), search.index_missing()) == (1, 0)
    assert names(alice, "fox") == ["Meeting.mp3"]


def test_hits_come_in_pages_newest_first_over_http(alice: Character, mallory: Character) -> None:
    for number in range(5):
        spoken(alice, f"{number}.mp3", f" fox number {number}")
    client = Client(headers=alice.bearer)
    first = client.get("/api/v1/search?q=FOX&limit=2").json()
    assert [hit["recording"]["name"] for hit in first["results"]] == ["4.mp3", "3.mp3"]
    assert first["results"][0]["matches"][0]["parts"] == [
        {"text": "fox", "match": True},
        {"text": " number 4", "match": False},
    ]
    second = client.get(first["next"]).json()
    assert [hit["recording"]["name"] for hit in second["results"]] == ["2.mp3", "1.mp3"]
    assert Client(headers=mallory.bearer).get(first["next"]).json()["results"] == []


FORGED = [
    "garbage",
    "2026-01-01T00:00:00+00:00",
    "2026-01-01T00:00:00 {0}",
    "2026-13-01T00:00:00+00:00 {0}",
    "\x00 \x00",
]


@pytest.mark.parametrize("place", FORGED)
def test_a_forged_cursor_is_no_page(place: str, alice: Character) -> None:
    cursor = base64.b64encode(place.format("00000000-0000-4000-8000-000000000000").encode()).decode()
    client = Client(headers=alice.bearer)
    assert client.get("/api/v1/search", {"q": "fox", "cursor": cursor}).status_code == 400
    assert client.get("/api/v1/search", {"q": "fox", "cursor": "é"}).status_code == 400


@pytest.mark.parametrize("position", ["garbage", "2026-13-45 00:00:00+00:00", "2026-01-01", "\x00"])
def test_nor_is_one_of_the_list_of_recordings(position: str, alice: Character) -> None:
    cursor = base64.b64encode(urlencode({"p": position}).encode()).decode()
    answer = Client(headers=alice.bearer).get("/api/v1/recordings", {"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_value")


def test_far_pages_of_rare_and_common_words_hold_every_hit_once(alice: Character) -> None:
    """More than the newest that are looked at first."""
    for number in range(lookup.PROBE_SIZE + 10):
        spoken(alice, f"{number}.mp3", " common", " rare" if number % 13 == 0 else " plain")
    client = Client(headers=alice.bearer)
    for word, count in (("common", lookup.PROBE_SIZE + 10), ("rare", 6)):
        address, seen = f"/api/v1/search?q={word}&limit=5", list[str]()
        while address:
            body = client.get(address).json()
            seen += [hit["recording"]["name"] for hit in body["results"]]
            address = body["next"]
        assert len(seen) == len(set(seen)) == count
        assert seen == sorted(seen, key=lambda name: -int(name.removesuffix(".mp3")))


@pytest.mark.parametrize("query", ["", "?!", "x" * 201])
def test_a_query_without_words_is_a_problem(query: str, alice: Character) -> None:
    answer = Client(headers=alice.bearer).get("/api/v1/search", {"q": query})
    assert (answer.status_code, answer.json()["param"]) == (400, "q")


def test_many_hits_cost_no_more_queries_than_one(alice: Character) -> None:
    client, queries = Client(headers=alice.bearer), []
    for number in range(8):
        spoken(alice, f"{number}.mp3", " fox", " and fox", " or fox")
        with CaptureQueriesContext(connection) as captured:
            assert len(client.get("/api/v1/search?q=fox").json()["results"]) == number + 1
        queries.append(len(captured))
    assert max(queries[1:]) <= queries[1] + 1  # PostgreSQL reads further among the newest where a word is common


@pytest.mark.parametrize("rare", [-1, 9])
def test_what_matches_in_several_ways_is_counted_once(
    rare: int, alice: Character, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "MOST_FOUND", 3)
    monkeypatch.setattr(filters, "RARE", rare)
    monkeypatch.setattr(recordings, "MOST_FOUND", 3)
    for number in range(3):
        spoken(alice, f"Meeting {number}.mp3", " A meeting.")
    with scope.bound(alice.tenant.id):
        listed = recordings.listing(alice.actor, Filter(search="meeting"), "", 9, 2)
        assert (listed.count, listed.and_more, listed.number, len(listed.rows)) == (3, False, 2, 1)
        spoken(alice, "Meeting 3.mp3", " A meeting.")
        listed = recordings.listing(alice.actor, Filter(search="meeting"), "", 9, 2)
        assert (listed.count, listed.and_more, len(listed.rows)) == (3, True, 2)
