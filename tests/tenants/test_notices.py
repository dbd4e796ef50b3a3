"""Owners are told when a limit is nearly and when it is all gone: once, in plain words, and never at any price."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection, transaction
from django.http import Http404
from django.test import override_settings
from pytest_django.fixtures import DjangoAssertNumQueries

from tenants import mails, notices, quota, scope
from tenants.models import Notice, Quota, Role, Tenant, UsageMonth
from tests.conftest import Character, create_member, create_tenant
from tests.race import meeting

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
MINUTES, STORAGE = Notice.Limit.MONTHLY_SECONDS, Notice.Limit.STORED_BYTES


class AbsentServer(EmailBackend):
    def open(self) -> bool:
        raise ConnectionRefusedError("Connection refused")


class PickyServer(EmailBackend):
    """Takes nothing for Evil."""

    asked = 0

    def send_messages(self, messages: Any) -> int:
        if "Evil" in messages[0].subject:
            PickyServer.asked += 1
            raise ValueError("Not for Evil.")
        return int(super().send_messages(messages))


class BreakingServer(EmailBackend):
    """Ends the connection whenever it gets something for Evil."""

    asked = 0

    def send_messages(self, messages: Any) -> int:
        if "Evil" in messages[0].subject:
            BreakingServer.asked += 1
            raise SMTPServerDisconnected("Connection unexpectedly closed")
        return int(super().send_messages(messages))


class TwoSweepers(EmailBackend):
    """While it takes a mail, another sweeper sends what is due."""

    def send_messages(self, messages: Any) -> int:
        with override_settings(EMAIL_BACKEND="django.core.mail.backends.locmem.EmailBackend"):
            notices.send_due()
        return int(super().send_messages(messages))


class DyingServer(EmailBackend):
    """Goes away after the first message."""

    def send_messages(self, messages: Any) -> int:
        if mail.outbox:
            raise SMTPServerDisconnected("Connection unexpectedly closed")
        return int(super().send_messages(messages))


def use(tenant: Tenant, seconds: int = 0, size: int = 0) -> None:
    """Sets what is used of 100 seconds and 1000 bytes."""
    Quota.objects.filter(tenant=tenant).update(monthly_seconds=100, stored_bytes=1000, stored_bytes_used=size)
    with scope.bound(tenant.id):
        UsageMonth.objects.update_or_create(
            tenant=tenant, month=quota.this_month(), defaults={"used_seconds": seconds, "reserved_seconds": 0}
        )


def raised(tenant: Tenant) -> set[tuple[str, int]]:
    with scope.bound(tenant.id):
        return set(Notice.objects.values_list("limit", "percent"))


class TestWhenANoticeIsRaised:
    def test_not_below_four_fifths(self, acme: Tenant) -> None:
        use(acme, seconds=79, size=799)
        assert notices.raise_due() == 0

    def test_at_four_fifths_and_at_all_of_each_limit_once(self, acme: Tenant) -> None:
        use(acme, seconds=80)
        assert [notices.raise_due(), notices.raise_due()] == [1, 0]
        use(acme, seconds=100, size=800)
        assert [notices.raise_due(), notices.raise_due()] == [2, 0]
        assert raised(acme) == {(MINUTES, 80), (MINUTES, 100), (STORAGE, 80)}

    def test_what_is_held_for_work_under_way_counts(self, acme: Tenant, alice: Character) -> None:
        use(acme, seconds=70)
        with scope.bound(acme.id), transaction.atomic():
            quota.reserve(acme, alice.tenant.id, 15)
        notices.raise_due()
        assert raised(acme) == {(MINUTES, 80)}

    def test_where_both_are_due_only_the_higher_one_is(self, acme: Tenant) -> None:
        use(acme, seconds=100)
        notices.raise_due()
        use(acme, seconds=90)
        notices.raise_due()
        assert raised(acme) == {(MINUTES, 100)}

    def test_a_new_month_begins_anew(self, acme: Tenant) -> None:
        for day in ("2026-11-30T12:00:00Z", "2026-12-31T12:00:00Z"):
            with time_machine.travel(day, tick=False):
                use(acme, seconds=80)
                assert notices.raise_due() == 1

    def test_a_refusal_raises_it_at_once_and_once(self, acme: Tenant) -> None:
        for limit in ("monthly_seconds", "monthly_seconds", "stored_bytes", "recording_seconds", "upload_bytes"):
            notices.note_refusal(acme, limit)
        assert raised(acme) == {(MINUTES, Notice.REFUSED), (STORAGE, Notice.REFUSED)}
        use(acme, seconds=80)
        assert notices.raise_due() == 0

    def test_a_refusal_where_all_is_gone_says_nothing_new(self, acme: Tenant) -> None:
        use(acme, size=1000)
        notices.raise_due()
        notices.note_refusal(acme, "stored_bytes")
        assert raised(acme) == {(STORAGE, 100)}

    def test_nobody_is_told_of_a_limit_of_nothing_or_of_a_closed_tenant(self, acme: Tenant) -> None:
        use(acme, seconds=100)
        Tenant.objects.filter(id=acme.id).update(is_active=False)
        nothing = create_tenant("Nothing", monthly_seconds=0, stored_bytes=0)
        assert (notices.raise_due(), raised(nothing)) == (0, set())

    def test_more_tenants_cost_no_more_queries(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        for number in range(5):
            use(create_tenant(f"Tenant {number}"), seconds=85, size=1000)
        with django_assert_num_queries(3):
            assert notices.raise_due() == 10


class TestTheMail:
    def test_says_what_how_much_and_when_it_resets(self, alice: Character, bob: Character) -> None:
        with time_machine.travel("2026-11-22T12:00:00Z", tick=False):
            use(alice.tenant, seconds=90)
            notices.raise_due()
            assert [notices.send_due(), notices.send_due()] == [1, 0]
        [message] = mail.outbox
        assert message.to == [alice.user.email], "viewers are not told"
        assert message.subject == "Few audio minutes are left this month: Acme"
        assert "1 min of 1 min are used, or held for work under way (90 %)." in message.body
        assert "The minutes reset on 1 December 2026 (UTC)." in message.body
        assert "http://127.0.0.1:8000/usage/" in message.body

    def test_a_full_store_is_told_with_the_way_out(self, alice: Character) -> None:
        use(alice.tenant, size=1000)
        notices.raise_due()
        notices.send_due()
        assert "Recordings that need more than what is left are refused. Deleting recordings" in mail.outbox[0].body

    def test_all_owners_get_it_and_nobody_else(self, alice: Character, mallory: Character) -> None:
        create_member(alice.tenant, "anna@acme.example", Role.OWNER)
        gone = create_member(alice.tenant, "gone@acme.example", Role.OWNER)
        gone.user.is_active = False
        gone.user.save()
        use(alice.tenant, seconds=80)
        notices.raise_due()
        notices.send_due()
        assert [message.to for message in mail.outbox] == [["alice@acme.example", "anna@acme.example"]]

    def test_one_that_a_higher_one_overtook_is_not_sent(self, alice: Character) -> None:
        use(alice.tenant, seconds=80)
        notices.raise_due()
        use(alice.tenant, seconds=100)
        notices.raise_due()
        assert notices.send_due() == 1
        assert mail.outbox[0].subject.startswith("This month’s limit of audio minutes is reached")

    @pytest.mark.parametrize("name", ["Acme\nBcc: everybody@example.com", "Acme\r\nBcc: x@example.com", "Ac\u2028me"])
    def test_a_name_breaks_out_of_no_header(self, name: str, alice: Character) -> None:
        Tenant.objects.filter(id=alice.tenant.id).update(name=name)
        use(alice.tenant, seconds=80)
        notices.raise_due()
        assert notices.send_due() == 1
        sent = mail.outbox[0].message()
        assert sent["Bcc"] is None
        assert len(mail.outbox[0].subject.splitlines()) == 1

    def test_of_a_row_that_the_version_before_wrote_is_sent_once(self, alice: Character) -> None:
        use(alice.tenant, seconds=80)
        notices.raise_due()
        columns = 'tenant_id, "limit", month, created_at'
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO tenants_notice ({columns}, percent) SELECT {columns}, 100 FROM tenants_notice")
        assert [notices.send_due(), notices.send_due()] == [1, 0]

    def test_what_is_no_longer_so_is_not_sent_until_it_is_again(self, alice: Character) -> None:
        use(alice.tenant, seconds=80, size=800)
        notices.raise_due()
        use(alice.tenant, seconds=79, size=799)
        assert notices.send_due() == 0
        use(alice.tenant, seconds=80, size=799)
        assert notices.send_due() == 1
        assert mail.outbox[0].subject.startswith("Few audio minutes are left this month")

    def test_a_refusal_is_sent_with_what_is_left(self, alice: Character) -> None:
        use(alice.tenant, seconds=85)
        notices.note_refusal(alice.tenant, "monthly_seconds")
        assert notices.send_due() == 1
        assert mail.outbox[0].subject.startswith("A recording was refused: few audio minutes are left this month")
        assert "What is left: 15 s. Recordings that need more" in mail.outbox[0].body

    def test_a_tenant_without_an_owner_waits_for_one(self, acme: Tenant) -> None:
        use(acme, seconds=80)
        notices.raise_due()
        assert notices.send_due() == 0
        create_member(acme, "alice@acme.example", Role.OWNER)
        assert notices.send_due() == 1


class TestAMailServer:
    @pytest.fixture(autouse=True)
    def two_notices(self, alice: Character, mallory: Character) -> Iterator[None]:
        with time_machine.travel(NOON, tick=False):
            for tenant in (mallory.tenant, alice.tenant):
                use(tenant, seconds=100)
                notices.raise_due()
            yield

    def test_that_is_away_is_asked_again_in_a_minute(self, caplog: pytest.LogCaptureFixture) -> None:
        with override_settings(EMAIL_BACKEND=f"{__name__}.AbsentServer"):
            assert [notices.send_due(), notices.send_due()] == [0, 0]
        assert [record.getMessage() for record in caplog.records] == [
            "The mail server is unavailable (ConnectionRefusedError): notices were not sent."
        ]
        assert self.sent_after(minutes=1) == 2

    def test_that_refuses_one_message_gets_the_others_and_is_asked_ever_more_seldom(self) -> None:
        with override_settings(EMAIL_BACKEND=f"{__name__}.PickyServer"):
            assert notices.send_due() == 1
            assert [self.sent_after(minutes) for minutes in range(1, 90)] == [0] * 89
        assert PickyServer.asked == mails.ATTEMPTS
        assert self.sent_after(minutes=120) == 0, "it is given up"
        assert [message.subject.split(": ")[1] for message in mail.outbox] == ["Acme"]

    def test_that_is_asked_by_two_sweepers_gets_each_mail_once(self) -> None:
        with override_settings(EMAIL_BACKEND=f"{__name__}.TwoSweepers"):
            assert notices.send_due() == 1
        assert sorted(message.subject.split(": ")[1] for message in mail.outbox) == ["Acme", "Evil"]

    def test_that_goes_away_in_between_got_what_it_got(self) -> None:
        with override_settings(EMAIL_BACKEND=f"{__name__}.DyingServer"):
            assert notices.send_due() == 1
        assert self.sent_after(minutes=6) == 1
        assert len(mail.outbox) == 2

    def test_that_breaks_off_at_one_message_gets_the_others_and_that_one_only_so_often(self) -> None:
        with override_settings(EMAIL_BACKEND=f"{__name__}.BreakingServer"):
            assert sum(self.sent_after(minutes) for minutes in range(60)) == 1
        assert BreakingServer.asked == mails.ATTEMPTS

    def sent_after(self, minutes: int) -> int:
        with time_machine.travel(NOON + timedelta(minutes=minutes), tick=False):
            return notices.send_due()

    def test_that_is_slow_ends_the_round(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mails, "ROUND_SECONDS", -1.0)
        assert notices.send_due() == 0


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one write after the other")
@pytest.mark.django_db(transaction=True)
def test_two_sweepers_that_take_one_notice_in_the_same_moment_send_it_once(alice: Character) -> None:
    use(alice.tenant, seconds=100)
    notices.raise_due()
    with scope.bound(alice.tenant.id):
        assert sorted(meeting(Notice.objects.all(), 2, notices.send_due)) == [0, 1]
    assert len(mail.outbox) == 1


class TestOnThePages:
    def test_the_highest_of_each_limit_is_shown_until_it_is_dismissed(self, alice: Character) -> None:
        use(alice.tenant, seconds=80, size=900)
        notices.raise_due()
        use(alice.tenant, seconds=100, size=900)
        notices.raise_due()
        shown = {(told.notice.limit, told.notice.percent): told.notice for told in notices.current(alice.tenant)}
        assert set(shown) == {(MINUTES, 100), (STORAGE, 80)}
        assert notices.dismiss(alice.actor, shown[MINUTES, 100].id)
        assert not notices.dismiss(alice.actor, shown[MINUTES, 100].id)
        assert [told.notice.limit for told in notices.current(alice.tenant)] == [STORAGE]

    def test_it_does_not_outlive_its_cause(self, alice: Character) -> None:
        use(alice.tenant, seconds=100, size=1000)
        notices.raise_due()
        Quota.objects.filter(tenant=alice.tenant).update(monthly_seconds=1000, stored_bytes_used=790)
        assert notices.current(alice.tenant) == []
        use(alice.tenant, seconds=100, size=1000)
        assert all(told.is_full for told in notices.current(alice.tenant))

    def test_of_a_full_limit_that_has_room_again_only_little_is_left(self, alice: Character) -> None:
        use(alice.tenant, seconds=100, size=1000)
        notices.raise_due()
        use(alice.tenant, seconds=99, size=800)
        assert self.titles(alice.tenant) == {"Few audio minutes are left this month", "Little storage is left"}
        assert not any(told.is_full or "refused" in told.text for told in notices.current(alice.tenant))

    def test_a_refusal_says_so_and_how_much_is_left(self, alice: Character) -> None:
        use(alice.tenant, seconds=85, size=900)
        for limit in ("monthly_seconds", "stored_bytes"):
            notices.note_refusal(alice.tenant, limit)
        assert self.titles(alice.tenant) == {
            "A recording was refused: few audio minutes are left this month",
            "A recording was refused: little storage is left",
        }
        texts = " ".join(told.text for told in notices.current(alice.tenant))
        assert "What is left: 15 s. Recordings that need more than what is left are refused." in texts
        assert "What is left: 100\xa0bytes." in texts
        use(alice.tenant, seconds=100, size=790)
        assert self.titles(alice.tenant) == {"This month’s limit of audio minutes is reached"}

    def titles(self, tenant: Tenant) -> set[str]:
        return {told.title for told in notices.current(tenant)}

    def test_last_month_is_over(self, alice: Character) -> None:
        with time_machine.travel("2026-11-30T12:00:00Z", tick=False):
            use(alice.tenant, seconds=80)
            notices.raise_due()
        with time_machine.travel("2026-12-01T12:00:00Z", tick=False):
            assert (notices.current(alice.tenant), notices.send_due()) == ([], 0)

    def test_only_managers_of_the_tenant_dismiss_it(self, alice: Character, bob: Character, mallory: Character) -> None:
        use(alice.tenant, size=900)
        notices.note_refusal(alice.tenant, "stored_bytes")
        [told] = notices.current(alice.tenant)
        with pytest.raises(PermissionDenied):
            notices.dismiss(bob.actor, told.notice.id)
        with pytest.raises(Http404):
            notices.dismiss(mallory.actor, told.notice.id)
        assert notices.current(alice.tenant) == [told]
