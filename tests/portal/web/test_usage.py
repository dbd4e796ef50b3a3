"""The usage page and the ledger as a table."""

from __future__ import annotations

import csv
import io
import re
import tracemalloc
import uuid
from collections.abc import AsyncIterator
from typing import cast

import pytest
import time_machine
from channels.db import database_sync_to_async as in_thread
from django.test import AsyncClient, Client
from django.utils.dateparse import parse_datetime

from tenants import scope, usage
from tenants.models import ApiKey, LedgerEntry, Tenant, UsageMonth
from tenants.quota import this_month
from tests.conftest import Character
from tests.tenants.test_notices import use
from tests.tenants.test_usage import charge
from transcription import exports

pytestmark = pytest.mark.django_db
HOSTILE = ['=HYPERLINK("http://evil.example","Click")', "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "＋1", "－1"]


async def table(who: Character, address: str = "/usage/ledger.csv") -> list[dict[str, str]]:
    client = AsyncClient()
    await client.aforce_login(who.user)
    answer = await client.get(address)
    assert answer.status_code == 200
    content = b"".join([part async for part in cast(AsyncIterator[bytes], answer)])
    assert content.startswith(b'\xef\xbb\xbf"time",')
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def describe(tenant: Tenant, description: str) -> None:
    with scope.bound(tenant.id):
        LedgerEntry.objects.update(description=description)


class TestThePage:
    def test_shows_a_month_by_day_by_member_and_by_key(self, as_bob: Client, alice: Character) -> None:
        charge(alice, 65, "2026-11-03T12:00:00Z")
        charge(alice, 600, "2026-11-04T12:00:00Z", with_key=True)
        charge(alice, 9, "2026-10-04T12:00:00Z")
        page = as_bob.get("/usage/?month=2026-11").content.decode()
        assert "<title>4 November: 10:00</title>" in page
        assert page.count("<rect") == 30
        assert re.search(r'<svg[^>]+role="img"[^>]+aria-labelledby="chart-title chart-text"', page)
        assert re.search(r'<th scope="row">3 November</th><td class="number">1:05</td>', page)
        assert "11:05 in November 2026" in page
        assert "Key of alice@acme.example" in page
        assert '<option value="2026-11" selected>November 2026</option>' in page
        assert '<option value="2026-10">October 2026</option>' in page
        assert 'href="/usage/ledger.csv?month=2026-11"' in page
        assert "0:09" not in page

    def test_opens_with_this_month_and_nothing_in_it(self, as_alice: Client) -> None:
        page = as_alice.get("/usage/").content.decode()
        assert f'<option value="{this_month():%Y-%m}" selected>' in page
        assert "Nothing was charged in this month" in page

    def test_a_month_without_an_entry_is_the_one_in_the_list(self, as_alice: Client) -> None:
        page = as_alice.get("/usage/?month=2026-05").content.decode()
        assert '<option value="2026-05" selected>May 2026</option>' in page
        assert page.count(" selected>") == 1

    @pytest.mark.parametrize(("gone", "css"), [(79, ""), (80, "is-warn"), (99, "is-warn"), (100, "is-bad")])
    def test_the_bars_warn_when_the_banners_do(self, gone: int, css: str, as_alice: Client, acme: Tenant) -> None:
        use(acme, seconds=gone, size=gone * 10)
        page = as_alice.get("/usage/").content.decode()
        assert f'<progress class="{css}" max="100" value="{gone}"' in page
        assert f'<progress class="{css}" max="1000" value="{gone * 10}"' in page
        quota_bar = re.search(r'<progress class="([^"]*)"', as_alice.get("/recordings/").content.decode())
        assert quota_bar
        assert quota_bar[1] == css

    def test_amounts_are_whole_minutes_or_a_few_seconds(self, as_alice: Client, acme: Tenant) -> None:
        use(acme, seconds=45)
        page = as_alice.get("/usage/").content.decode()
        assert "55 s <small>of 1 min left</small>" in page
        assert "45 s used, 0 min held for work under way" in page

    @pytest.mark.parametrize("month", ["2026-13", "yesterday", "2026-11-01", "²026-11", "../", "2026-11%00"])
    def test_a_month_that_is_none_is_not_found(self, month: str, as_alice: Client) -> None:
        assert as_alice.get(f"/usage/?month={month}").status_code == 404
        assert as_alice.get(f"/usage/ledger.csv?month={month}").status_code == 404

    def test_others_charges_are_not_ours(self, as_alice: Client, mallory: Character) -> None:
        charge(mallory, 65, "2026-11-03T12:00:00Z")
        assert "mallory" not in as_alice.get("/usage/?month=2026-11").content.decode()


@pytest.mark.django_db(transaction=True)
class TestTheTable:
    async def test_has_every_line_with_who_caused_it(self, alice: Character, bob: Character) -> None:
        await self.charged(alice, "2026-10-03T12:00:00Z")
        await self.charged(bob, "2026-11-03T12:00:00Z")
        first, second = await table(alice)
        assert set(first) == {"time", "transcription", "kind", "seconds", "description", "member", "key"}
        assert (first["time"], first["seconds"], first["kind"]) == ("2026-10-03T12:00:00Z", "60", "charge")
        assert (first["description"], first["member"]) == ("Recording of alice@acme.example", "alice@acme.example")
        assert second["member"] == "bob@acme.example"
        assert uuid.UUID(first["transcription"])
        assert parse_datetime(first["time"])
        assert [row["time"] for row in await table(bob, "/usage/ledger.csv?month=2026-11")] == [second["time"]]

    async def test_is_only_ever_ones_own(self, alice: Character, mallory: Character) -> None:
        await self.charged(alice, "2026-11-03T12:00:00Z")
        assert await table(mallory) == []

    @pytest.mark.parametrize("name", HOSTILE)
    async def test_no_name_is_a_formula(self, name: str, alice: Character) -> None:
        await self.charged(alice, "2026-11-03T12:00:00Z", with_key=True)
        await in_thread(describe)(alice.tenant, name)
        with scope.bound(alice.tenant.id):
            await ApiKey.objects.aupdate(name=name)
        [row] = await table(alice)
        assert row["description"].startswith("'")
        assert row["description"].replace("'", "") == name
        assert row["key"].startswith("'")

    @pytest.mark.parametrize("name", ['Say "no",\nthen go', "会议记录 2026；第一次", "a;b\tc", "1. Board"])
    async def test_every_other_name_comes_through_whole(self, name: str, alice: Character) -> None:
        await self.charged(alice, "2026-11-03T12:00:00Z")
        await in_thread(describe)(alice.tenant, name)
        [row] = await table(alice)
        assert row["description"] == name

    async def test_is_streamed_and_holds_one_batch_in_memory(
        self, alice: Character, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(usage, "BATCH", 100)
        await in_thread(_fill)(alice.tenant, 5000)
        client = AsyncClient()
        await client.aforce_login(alice.user)
        answer = await client.get("/usage/ledger.csv")
        assert "attachment" in answer.headers["Content-Disposition"]
        sizes = []
        tracemalloc.start()
        async for part in cast(AsyncIterator[bytes], answer):
            sizes.append(len(part))
            if len(sizes) == 3:
                tracemalloc.reset_peak()
                steady = tracemalloc.get_traced_memory()[0]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(sizes) == 51
        assert peak - steady < 2_000_000

    async def charged(self, who: Character, when: str, with_key: bool = False) -> None:
        await in_thread(charge)(who, 60, when, with_key=with_key)


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_no_part_of_a_name_is_a_formula_where_another_separator_is_believed_in(separator: str) -> None:
    cell = exports.escape_formulas(f"memo{separator}=SUM(1+1)*cmd|calc!A0.wav")
    assert cell.split(separator)[1].startswith("'=")


def test_what_is_no_formula_stays_as_it_is() -> None:
    assert [exports.escape_formulas(text) for text in ("", "Board", "'quoted'", "1-2", "会议")] == [
        *("", "Board", "'quoted'", "1-2", "会议")
    ]


def _fill(tenant: Tenant, lines: int) -> None:
    with scope.bound(tenant.id), time_machine.travel("2026-11-03T12:00:00Z", tick=False):
        month = UsageMonth.objects.create(tenant=tenant, month=this_month())
        entry = {"tenant": tenant, "month": month, "kind": "charge", "seconds": 1, "description": "x" * 200}
        LedgerEntry.objects.bulk_create(LedgerEntry(transcription_id=uuid.uuid4(), **entry) for _ in range(lines))
