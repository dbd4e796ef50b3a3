"""Guest has a link and no account: what it opens, when it ends, and that it tells nothing where it opens nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from tenants import scope
from tenants.models import AuditEntry, Member, Tenant
from tenants.throttle import Limit
from tests.conftest import Character, create_member
from tests.portal.shared.conftest import Share
from tests.race import race
from transcription.library import recordings
from transcription.models import Recording, Segment, Status, Transcription
from transcription.shares import links, visits
from transcription.shares import models as rows

pytestmark = pytest.mark.django_db
NEVER = "/s/" + "x" * 32 + "/"


def test_a_link_shows_the_transcript_to_whoever_has_it(guest: Client, share: Share, alice: Character) -> None:
    answer = guest.get(share())
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "Interview with a source.mp3" in page
    assert "Shared by Acme" in page
    assert page.index("Dr. Snow") < page.index("Alfa bravo charlie delta.") < page.index("India juliett kilo lima.")
    assert "alice@acme.example" not in page
    assert "A secret plan" not in page


def test_it_sets_no_cookie_and_is_not_indexed_kept_or_referred_to(guest: Client, share: Share) -> None:
    for path in (share(), NEVER, f"{NEVER}sound", f"{share()}nothing/of/this"):
        answer = guest.get(path)
        assert not answer.cookies
        assert answer["X-Robots-Tag"] == "noindex, nofollow, noarchive"
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Cache-Control"] == "private, no-store"
        policy = answer["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert '<meta name="robots" content="noindex' in answer.content.decode()


def test_it_speaks_the_language_of_the_browser(guest: Client, share: Share) -> None:
    page = guest.get(share(), headers={"Accept-Language": "zh-CN,zh;q=0.9"}).content.decode()
    assert '<html lang="zh-hans"' in page
    assert "由 Acme 分享" in page


def test_it_takes_the_same_few_queries_however_long_the_text_is(
    guest: Client, share: Share, interview: Transcription, django_assert_num_queries: Any
) -> None:
    path = share()
    guest.get(path)
    with django_assert_num_queries(10):
        guest.get(path)
    segments = [
        Segment(tenant=interview.tenant, transcription=interview, index=3 + at, start=12.0, end=12.0, text=" More.")
        for at in range(1500)
    ]
    with scope.bound(interview.tenant_id):
        Segment.objects.bulk_create(segments)
    with django_assert_num_queries(10):
        page = guest.get(path).content.decode()
    assert page.count("data-index=") == 200
    more = guest.get(f"{path}lines?at=200,1502,1503").json()
    assert (more["total"], more["lines"].count("data-index=")) == (1503, 2)
    outline = guest.get(f"{path}lines?outline").json()
    assert (outline["total"], len(outline["rows"]), outline["rows"][-1][2]) == (1503, 1503, "More.")


def end_by_revoking(alice: Character, row: rows.Share) -> None:
    links.revoke(alice.actor, row.id)


def end_by_time(_alice: Character, row: rows.Share) -> None:
    rows.Share.objects.filter(id=row.id).update(expires_at=timezone.now())


def end_by_deleting(alice: Character, row: rows.Share) -> None:
    recordings.delete(alice.actor, row.recording_id)


def end_by_erasing(alice: Character, row: rows.Share) -> None:
    recordings.erase(alice.actor, row.recording_id)


def end_by_switching_off(alice: Character, _row: rows.Share) -> None:
    Tenant.objects.filter(id=alice.tenant.id).update(allows_sharing=False)


def end_by_suspending(alice: Character, _row: rows.Share) -> None:
    Tenant.objects.filter(id=alice.tenant.id).update(is_active=False)


def end_by_leaving(alice: Character, _row: rows.Share) -> None:
    Member.objects.filter(id=alice.member.id).delete()


def end_by_switching_the_maker_off(alice: Character, _row: rows.Share) -> None:
    type(alice.user).objects.filter(id=alice.user.id).update(is_active=False)


ENDS = [
    end_by_revoking,
    end_by_time,
    end_by_deleting,
    end_by_erasing,
    end_by_switching_off,
    end_by_suspending,
    end_by_leaving,
    end_by_switching_the_maker_off,
]


@pytest.mark.parametrize("end", ENDS)
def test_a_link_that_ended_answers_as_one_that_never_was(
    guest: Client, share: Share, alice: Character, end: Callable[[Character, rows.Share], None]
) -> None:
    path = share()
    assert guest.get(path).status_code == 200
    with scope.bound(alice.tenant.id):
        end(alice, rows.Share.objects.get())
    never = guest.get(NEVER)
    assert never.status_code == 404
    for rest in ("", "lines", "sound", "peaks.json", "transcript.txt"):
        answer = guest.get(path + rest)
        assert (answer.status_code, answer.content) == (404, never.content)


def test_what_was_deleted_by_mistake_is_shared_again_when_it_is_back(
    guest: Client, share: Share, alice: Character, interview: Transcription
) -> None:
    path = share()
    with scope.bound(alice.tenant.id):
        recordings.delete(alice.actor, interview.recording_id)
        assert guest.get(path).status_code == 404
        recordings.restore(alice.actor, interview.recording_id)
    assert guest.get(path).status_code == 200


def test_a_link_shows_the_newest_text_and_the_one_before_while_that_is_made(
    guest: Client, share: Share, interview: Transcription
) -> None:
    path = share()
    with scope.bound(interview.tenant_id):
        again = Transcription.objects.create(
            tenant=interview.tenant, recording=interview.recording, model="base", status=Status.RUNNING
        )
        assert "Alfa bravo charlie delta." in guest.get(path).content.decode()
        Segment.objects.create(
            tenant=interview.tenant, transcription=again, index=0, start=0.0, end=1.0, text=" Heard again."
        )
        Transcription.objects.filter(id=again.id).update(status=Status.COMPLETED)
    page = guest.get(path).content.decode()
    assert "Heard again." in page
    assert "Alfa bravo charlie delta." not in page


class TestPassword:
    def test_nothing_is_told_before_it(self, guest: Client, share: Share) -> None:
        path = share(password="winter morning", label="For the editor")
        answer = guest.get(path)
        page = answer.content.decode()
        assert (answer.status_code, bool(answer.cookies)) == (200, False)
        assert 'type="password"' in page
        for said in ("Interview", "Acme", "Snow", "bravo", "editor"):
            assert said not in page
        for rest in ("lines", "sound", "peaks.json", "transcript.txt"):
            assert guest.get(path + rest).status_code == 404

    def test_it_opens_and_a_cookie_of_this_link_alone_remembers_it(self, guest: Client, share: Share) -> None:
        path, other = share(password="winter morning"), share(password="winter morning")
        answer = guest.post(path, {"password": "winter morning"})
        assert (answer.status_code, answer["Location"]) == (303, path)
        (cookie,) = answer.cookies.values()
        assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == (path, True, "Lax")
        assert "Alfa bravo charlie delta." in guest.get(path).content.decode()
        proof = {"Cookie": f"opened={cookie.value}"}
        assert "Alfa bravo" not in Client().get(other, headers=proof).content.decode()
        with time_machine.travel(timezone.now() + timedelta(hours=13), tick=False):
            assert "Alfa bravo" not in Client().get(path, headers=proof).content.decode()

    def test_guessing_is_slowed_down_from_an_address_and_for_a_link(
        self, guest: Client, share: Share, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = share(password="winter morning")
        answers = [guest.post(path, {"password": f"guess {n}"}).status_code for n in range(11)]
        assert answers == [403] * 10 + [429]
        assert guest.post(path, {"password": "winter morning"}).status_code == 429
        assert Client(REMOTE_ADDR="203.0.113.10").post(path, {"password": "winter morning"}).status_code == 303
        monkeypatch.setattr(visits, "ALL_GUESSES", Limit("passwords of a link in this test", 3, 3600))
        from_everywhere = [Client(REMOTE_ADDR=f"198.51.100.{n}") for n in range(4)]
        answers = [one.post(path, {"password": "guess"}).status_code for one in from_everywhere]
        assert answers == [403, 403, 403, 429]

    def test_right_passwords_are_not_counted(self, share: Share) -> None:
        path = share(password="winter morning")
        for _ in range(12):
            guest = Client(REMOTE_ADDR="203.0.113.9")
            assert guest.post(path, {"password": "winter morning"}).status_code == 303


class TestOpenings:
    def test_are_used_up_by_people_and_not_by_programs_that_look_at_links(self, share: Share) -> None:
        path = share(most_openings=2)
        for _ in range(5):
            assert "a limited number of times" in Client().get(path).content.decode()
        first, second = Client(), Client()
        assert [one.post(path).status_code for one in (first, second)] == [303, 303]
        assert Client().get(path).status_code == 404
        assert Client().post(path).status_code == 404
        assert "Alfa bravo" in first.get(path).content.decode()  # who is in stays in

    def test_end_for_those_inside_when_the_link_is_revoked(self, share: Share, alice: Character) -> None:
        path, guest = share(most_openings=1), Client()
        guest.post(path)
        assert guest.get(path).status_code == 200
        with scope.bound(alice.tenant.id):
            links.revoke(alice.actor, rows.Share.objects.get().id)
        assert guest.get(path).status_code == 404

    @pytest.mark.django_db(transaction=True)
    def test_the_last_one_is_given_once_however_many_come_at_once(self, share: Share) -> None:
        path = share(most_openings=3)
        assert race(40, lambda: Client().post(path).status_code == 303) == 3

    @pytest.mark.parametrize("rest", ["lines", "captions.vtt", "transcript.txt"])
    def test_are_counted_for_who_reads_without_the_page_too(
        self, guest: Client, share: Share, alice: Character, rest: str
    ) -> None:
        path = share(with_download=True)
        for _ in range(3):
            guest.get(path + rest)
        with scope.bound(alice.tenant.id):
            assert rows.Share.objects.get().openings == rows.Visitor.objects.get().openings == 1
            assert AuditEntry.objects.filter(action="share.opened").count() == 1

    def test_are_told_by_visitor_and_in_the_audit_log_without_addresses(
        self, guest: Client, share: Share, alice: Character
    ) -> None:
        path = share()
        for client in (guest, guest, Client(REMOTE_ADDR="2001:db8::1"), Client(REMOTE_ADDR="2001:db8::2")):
            client.get(path)
            client.head(path)
        with scope.bound(alice.tenant.id):
            assert rows.Share.objects.get().openings == 4
            visitors = list(rows.Visitor.objects.order_by("id"))
            entries = list(AuditEntry.objects.filter(action="share.opened").order_by("id"))
        assert [one.openings for one in visitors] == [2, 2]  # an IPv6 network is one visitor
        assert [entry.details["visitor"] for entry in entries] == [one.digest for one in visitors]
        assert {(entry.actor_kind, entry.address) for entry in entries} == {("unknown", "")}


class TestDownloads:
    def test_are_given_where_the_link_allows_them(self, guest: Client, share: Share, alice: Character) -> None:
        assert guest.get(f"{share()}transcript.txt").status_code == 404
        path = share(with_download=True)
        answer = guest.get(f"{path}transcript.txt")
        assert answer["Content-Disposition"] == 'attachment; filename="Interview with a source.txt"'
        assert answer.content.decode().splitlines()[0] == "Dr. Snow: Alfa bravo charlie delta."
        for format in ("srt", "vtt", "json", "tsv", "docx"):
            assert f"{path}transcript.{format}" in guest.get(path).content.decode()
            body = guest.get(f"{path}transcript.{format}").content
            assert b"alice@acme.example" not in body
        assert guest.get(f"{path}transcript.exe").status_code == 404
        with scope.bound(alice.tenant.id):
            formats = AuditEntry.objects.filter(action="share.exported").values_list("details__format", flat=True)
        assert set(formats) == {"txt", "srt", "vtt", "json", "tsv", "docx"}


@pytest.mark.parametrize(("rest", "limit"), [("", "READINGS"), ("lines", "READINGS"), ("transcript.docx", "DOWNLOADS")])
def test_who_asks_too_often_waits_and_keeps_nobody_else_waiting(
    guest: Client, share: Share, rest: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, take = share(with_download=True), Limit.take

    def take_fewer(self: Limit, *subject: str) -> bool:
        return take(replace(self, amount=2) if self == getattr(visits, limit) else self, *subject)

    monkeypatch.setattr(Limit, "take", take_fewer)
    answers = [guest.get(path + rest) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2]["Retry-After"] == "60"
    assert "Wait a minute" in answers[2].content.decode()
    assert Client(REMOTE_ADDR="203.0.113.10").get(path + rest).status_code == 200


def test_members_of_another_tenant_open_it_as_guests(share: Share, mallory: Character) -> None:
    client = Client()
    client.force_login(mallory.user)
    assert client.get(share()).status_code == 200
    with scope.bound(mallory.tenant.id):
        assert not Recording.objects.exists()


def test_a_leaver_s_link_that_was_kept_goes_on(guest: Client, share: Share, alice: Character) -> None:
    adam = create_member(alice.tenant, "adam@acme.example", "editor")
    path = share(adam)
    Member.objects.filter(id=adam.member.id).delete()
    assert guest.get(path).status_code == 404
    with scope.bound(alice.tenant.id):
        links.keep(alice.actor, rows.Share.objects.get().id)
    assert guest.get(path).status_code == 200
