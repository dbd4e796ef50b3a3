"""The library and the page of a recording, without a browser."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from portal.web.languages import language_choices, language_name
from tenants import scope
from tenants.models import Quota, Tenant
from tests.conftest import Character
from tests.portal.web.conftest import Make
from transcription.models import Recording, Segment, Status, Transcription
from transcription.options.languages import LANGUAGES


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def test_the_library_lists_the_newest_first_and_says_how_they_stand(
    as_alice: Client, alice: Character, make: Make
) -> None:
    make(alice.tenant, "older.mp3", Status.FAILED)
    make(alice.tenant, "newer.mp3", Status.RUNNING, saved_seconds=42.0)
    text = text_of(as_alice, "/recordings/")
    assert text.index("newer.mp3") < text.index("older.mp3")
    assert 'value="41"' in text
    assert "Failed" in text


def test_an_empty_library_invites(as_alice: Client) -> None:
    assert "Your recordings will live here" in text_of(as_alice, "/recordings/")


def test_a_viewer_is_not_offered_what_he_may_not_do(as_bob: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant)
    text = text_of(as_bob, "/recordings/") + text_of(as_bob, f"/recordings/{row.recording_id}/")
    assert "Drop audio" not in text
    assert "/delete/" not in text
    assert "/again/" not in text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("search=alpha", {"alpha.mp3"}),
        ("status=failed", {"beta.mp3"}),
        ("search=alpha&status=failed", set()),
        ("status=nonsense", {"alpha.mp3", "beta.mp3"}),
        ("page=99", {"alpha.mp3", "beta.mp3"}),
    ],
)
def test_the_list_is_searched_and_filtered(
    query: str, shown: set[str], as_alice: Client, alice: Character, make: Make
) -> None:
    make(alice.tenant, "alpha.mp3")
    make(alice.tenant, "beta.mp3", Status.FAILED)
    text = text_of(as_alice, f"/recordings/rows/?{query}")
    assert {name for name in ("alpha.mp3", "beta.mp3") if name in text} == shown


def test_the_list_has_pages_that_keep_the_search(as_alice: Client, alice: Character, make: Make) -> None:
    for number in range(26):
        make(alice.tenant, f"take {number}.mp3")
    text = text_of(as_alice, "/recordings/?search=take")
    assert "Page 1 of 2" in text
    assert "/recordings/?search=take&page=2" in text
    assert "take 0.mp3" in text_of(as_alice, "/recordings/?search=take&page=2")


def test_the_quota_is_said_before_the_upload(as_alice: Client) -> None:
    assert "<strong>600</strong> of 600 minutes left this month, resets 1 " in text_of(as_alice, "/recordings/")


def test_the_list_says_where_nobody_speaks(as_alice: Client, alice: Character, make: Make) -> None:
    make(alice.tenant, "Silence.mp3", text="")
    make(alice.tenant, "Speech.mp3", text="Good morning.")
    text = text_of(as_alice, "/recordings/rows/")
    assert re.findall(r'status--completed">\s*<svg.*?</svg>([^<\n]+)', text) == ["Done", "No speech"]


def test_the_form_names_what_the_organisation_has_chosen(as_alice: Client, alice: Character) -> None:
    Tenant.objects.filter(id=alice.tenant.id).update(speakers="2-4", default_mode="exact")
    text = text_of(as_alice, "/recordings/")
    assert "Default (2 to 4)</option>" in text
    assert "Default (Exact" in text


def test_who_records_is_warned_when_little_or_nothing_is_left(as_alice: Client, alice: Character) -> None:
    assert "left this month</p>" not in text_of(as_alice, "/recordings/")
    for seconds, said in ((240, "Only 4 minutes are left this month"), (0, "No minutes are left this month")):
        Quota.objects.filter(tenant=alice.tenant).update(monthly_seconds=seconds)
        assert f"{said}</p>" in text_of(as_alice, "/recordings/")
        assert f"{said}</p>" in text_of(as_alice, "/recordings/rows/")


def test_a_failed_transcription_says_why_and_offers_another_try(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant, status=Status.FAILED, error_code="no_audio")
    text = text_of(as_alice, f"/recordings/{row.recording_id}/")
    assert "This file has no sound." in text
    assert "Try again" in text


def test_trying_again_queues_the_same_options(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant, status=Status.FAILED)
    options = {"language": "fr", "task": "translate", "model": "base"}
    latest = again(as_alice, row, options)
    assert (latest.id != row.id, latest.status) == (True, Status.QUEUED)
    assert (latest.language, latest.task, latest.model) == ("fr", "translate", "base")
    assert (latest.mode, latest.hotwords, latest.beam_size, latest.word_timestamps) == ("auto", "", 1, False)


def again(client: Client, row: Transcription, options: dict[str, str]) -> Transcription:
    """What the form of a recording's page makes."""
    client.post(f"/recordings/{row.recording_id}/again/", options)
    with scope.bound(row.tenant_id):
        latest = Recording.objects.get(id=row.recording_id).latest
    assert latest is not None
    return latest


def test_more_options_are_there_for_who_wants_them(as_alice: Client, alice: Character, make: Make) -> None:
    more = {"mode": "exact", "hotwords": "Acme\nDr. Fox", "beam_size": "5", "word_timestamps": "on"}
    more |= {"languages": "Polish, de"}
    page = Fields(text_of(as_alice, "/recordings/"))
    assert more.keys() <= page.values.keys()
    assert page.values["beam_size"] == "5"
    latest = again(as_alice, make(alice.tenant), more)
    assert (latest.mode, latest.hotwords, latest.beam_size, latest.word_timestamps) == (
        "exact",
        "Acme, Dr. Fox",
        5,
        True,
    )
    assert latest.languages == "de,pl"


def test_a_language_that_no_model_here_knows_is_not_offered(as_alice: Client) -> None:
    page = text_of(as_alice, "/recordings/")
    assert 'value="zh"' in page
    assert 'value="yue"' not in page


class Fields(HTMLParser):
    """The fields of a page's forms, the last of a name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag in ("input", "select", "textarea") and (name := found.get("name")):
            self.values[name] = found.get("value") or ""


@pytest.mark.parametrize("page", ["/recordings/{}/", "/recordings/{}/menu/"])
def test_trying_again_repeats_every_option(page: str, as_alice: Client, alice: Character, make: Make) -> None:
    options = {"mode": "fast", "hotwords": "Acme", "beam_size": 3, "word_timestamps": True}
    options |= {"prompt": "Unheard of.", "temperature": 0.5}  # which no form of the portal offers
    row = make(alice.tenant, status=Status.FAILED, **options)
    form = text_of(as_alice, page.format(row.recording_id)).split("Try again")[0].rpartition("<form")[2]
    answer = as_alice.post(form.split('action="')[1].split('"')[0], Fields(form).values)
    assert answer.headers["Location"] == f"/recordings/{row.recording_id}/"
    with scope.bound(alice.tenant.id):
        latest = Recording.objects.get().latest
    assert latest is not None
    assert (latest.id != row.id, latest.status) == (True, Status.QUEUED)
    assert {name: getattr(latest, name) for name in options} == options


def test_what_is_done_is_not_tried_again(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant)
    answer = as_alice.post(f"/transcriptions/{row.id}/retry/", follow=True)
    assert "The transcription is done." in answer.content.decode()
    with scope.bound(alice.tenant.id):
        assert Transcription.objects.get() == row


def test_a_page_tells_the_options_that_are_not_the_usual_ones(as_alice: Client, alice: Character, make: Make) -> None:
    usual, other = make(alice.tenant), make(alice.tenant, mode="exact", beam_size=5, hotwords="Acme, Dr. Fox")
    for row, told in ((usual, False), (other, True)):
        details = text_of(as_alice, f"/recordings/{row.recording_id}/").split("Details")[1].split("</aside>")[0]
        for words in ("Exact", "5 beams", "Acme, Dr. Fox"):
            assert (words in details) is told


def test_a_transcript_tells_scripts_where_its_words_are(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant)
    with scope.bound(alice.tenant.id):
        words = [{"word": " Good", "start": 0.1, "end": 0.5}, {"word": " morning.", "start": 0.5, "end": 1.25}]
        Segment.objects.filter(index=0).update(words=words)
    text = text_of(as_alice, f"/recordings/{row.recording_id}/")
    assert 'data-words="[[0,4,0.1,0.5],[5,13,0.5,1.25]]"' in text
    assert text.count("data-words") == 1


def test_trying_again_over_the_quota_says_so(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant, status=Status.FAILED)
    alice.tenant.quota.monthly_seconds = 10
    alice.tenant.quota.save()
    answer = as_alice.post(f"/transcriptions/{row.id}/retry/", follow=True)
    assert "the quota resets on" in answer.content.decode()


def test_deleting_offers_undo_and_undo_brings_it_back(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant, "precious.mp3")
    text = unescape(as_alice.post(f"/recordings/{row.recording_id}/delete/", follow=True).content.decode())
    restore = f"/recordings/{row.recording_id}/restore/"
    assert "“precious.mp3” was deleted." in text
    assert restore in text
    assert as_alice.get(f"/recordings/{row.recording_id}/").status_code == 404
    as_alice.post(restore)
    assert as_alice.get(f"/recordings/{row.recording_id}/").status_code == 200


def test_a_download_carries_the_recording_s_name(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant, "产品 发布会.mp3")
    answer = as_alice.get(f"/transcriptions/{row.id}/download.srt")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename*=utf-8''%E4%BA%A7")
    assert answer.content.decode().startswith("1\n00:00:00,000 --> 00:00:03,500\nGood morning.")
    assert as_alice.get(f"/transcriptions/{row.id}/download.exe").status_code == 404


def test_an_upload_without_a_file_is_refused_in_words(as_alice: Client) -> None:
    answer = as_alice.post("/recordings/", {"language": "en"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "The upload arrived incomplete. Please try again."


@pytest.mark.parametrize(("page_language", "cantonese"), [("en", "Cantonese"), ("zh-hans", "粤语")])
def test_every_language_of_whisper_has_a_name_in_the_page_s_language(page_language: str, cantonese: str) -> None:
    with translation.override(page_language):
        names = dict(language_choices()[1:])
        assert language_name("yue") == cantonese
    assert set(names) == set(LANGUAGES)
    assert len(set(names.values())) == len(names)
    assert not set(names.values()) & set(names)


def test_in_chinese_frequent_languages_come_first_and_the_others_by_pinyin() -> None:
    with translation.override("zh-hans"):
        names = [name for _code, name in language_choices()[1:]]
    assert names[:3] == ["中文", "粤语", "英语"]
    others = [names.index(name) for name in ("阿拉伯语", "波兰语", "丹麦语", "荷兰语", "意大利语", "越南语")]
    assert others == sorted(others)


def test_the_library_s_queries_do_not_grow_with_the_list(as_alice: Client, alice: Character, make: Make) -> None:
    counts: list[int] = []
    for _round in range(2):
        for number in range(5):
            make(alice.tenant, f"{number}.mp3")
        with CaptureQueriesContext(connection) as queries:
            as_alice.get("/recordings/")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_page_shows_the_latest_of_several_transcriptions(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant)
    with scope.bound(alice.tenant.id):
        Transcription.objects.create(tenant=alice.tenant, recording=row.recording, model="base", status=Status.QUEUED)
    assert "Waiting for its turn" in text_of(as_alice, f"/recordings/{row.recording_id}/")


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
def test_what_waits_or_runs_can_be_cancelled_on_its_page_and_in_the_list(
    status: str, as_alice: Client, alice: Character, make: Make
) -> None:
    row = make(alice.tenant, "long.mp3", status)
    cancel = f"/transcriptions/{row.id}/cancel/"
    assert cancel in text_of(as_alice, f"/recordings/{row.recording_id}/")
    assert cancel in text_of(as_alice, f"/recordings/{row.recording_id}/menu/")
    answer = unescape(as_alice.post(cancel, follow=True).content.decode())
    assert "The transcription of “long.mp3” was cancelled. Nothing was charged." in answer
    assert "This was cancelled" in answer
    assert cancel not in answer
    assert "was over already" in unescape(as_alice.post(cancel, follow=True).content.decode())


def test_who_cancels_in_the_list_stays_there(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant, status=Status.QUEUED)
    answer = as_alice.post(f"/transcriptions/{row.id}/cancel/", {"from": "list"})
    assert answer.headers["Location"] == "/recordings/"


def test_a_viewer_and_a_stranger_cancel_nothing(
    as_bob: Client, alice: Character, mallory: Character, make: Make, client: Client
) -> None:
    row = make(alice.tenant, status=Status.RUNNING)
    cancel = f"/transcriptions/{row.id}/cancel/"
    assert cancel not in text_of(as_bob, f"/recordings/{row.recording_id}/") + text_of(as_bob, "/recordings/")
    assert as_bob.post(cancel).status_code == 403
    client.force_login(mallory.user)
    assert client.post(cancel).status_code == 404
    with scope.bound(alice.tenant.id):
        assert Transcription.objects.get().status == Status.RUNNING


def test_reused_text_says_so_and_where_it_comes_from(as_alice: Client, alice: Character, make: Make) -> None:
    first = make(alice.tenant, "first.mp3")
    second = make(alice.tenant, "second.mp3", is_reused=True, reused_from=first)
    text = text_of(as_alice, f"/recordings/{second.recording_id}/")
    assert "nothing was charged" in text
    assert f'<a href="/recordings/{first.recording_id}/">first.mp3</a>' in text
    as_alice.post(f"/recordings/{first.recording_id}/delete/", follow=True)
    assert str(first.recording_id) not in text_of(as_alice, f"/recordings/{second.recording_id}/")
    assert "nothing was charged" not in text_of(as_alice, f"/recordings/{make(alice.tenant).recording_id}/")


def test_deleted_audio_is_said_and_not_offered(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant)
    Tenant.objects.update(audio_retention_days=30)
    with scope.bound(alice.tenant.id):
        Recording.objects.update(audio_deleted_at=timezone.now())
    page = f"/recordings/{row.recording_id}/"
    text = text_of(as_alice, page)
    assert "your organisation keeps audio for 30 days" in text
    assert "Good morning." in text
    assert f"{page}media" not in text
    assert f"{page}again/" not in text
    assert "data-player" not in text
    assert as_alice.get(f"{page}media").status_code == 410
    answer = as_alice.post(f"{page}again/", follow=True)
    assert "your organisation keeps audio for 30 days" in answer.content.decode()


def test_deleted_text_is_said_and_not_offered(as_alice: Client, alice: Character, make: Make) -> None:
    row = make(alice.tenant, text_deleted_at=timezone.now())
    with scope.bound(alice.tenant.id):
        Segment.objects.all().delete()
    text = text_of(as_alice, f"/recordings/{row.recording_id}/")
    assert "The text was deleted on" in text
    assert "No speech was found" not in text
    assert "/download." not in text + text_of(as_alice, "/recordings/")
    answer = as_alice.get(f"/transcriptions/{row.id}/download.srt")
    assert (answer.status_code, "The text was deleted on" in answer.content.decode()) == (410, True)
