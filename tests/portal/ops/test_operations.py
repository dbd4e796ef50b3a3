"""The operations page: what an operator sees, and what it costs."""

from __future__ import annotations

import errno
import math
import re
import shutil
import uuid
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.translation import override

from portal import charts, health
from portal.ops import figures
from tenants import scope
from tenants.models import Tenant
from tests.conftest import Character
from tests.portal.ops.conftest import condition
from transcription import processes
from transcription.models import Engine, Lane, Process, Recording, Status, Transcription
from transcription.options import engines
from transcription.queue import wakeups

pytestmark = pytest.mark.django_db
PAGE = "/admin/operations/"


def transcription(tenant: Tenant, status: str, seconds: float = 60.0, **fields: object) -> Transcription:
    with scope.bound(tenant.id):
        recording = Recording.objects.create(
            tenant=tenant, name="A meeting.wav", source="upload", format="wav", bytes=1, duration_seconds=seconds
        )
        fields |= {"recording": recording, "status": status, "audio_seconds": seconds}
        return Transcription.objects.create(id=uuid.uuid4(), tenant=tenant, model="base", **fields)


def completed(tenant: Tenant, waited: float, worked: float, ago: timedelta = timedelta(minutes=5)) -> None:
    end = timezone.now() - ago
    start = end - timedelta(seconds=worked)
    created = start - timedelta(seconds=waited)
    transcription(tenant, Status.COMPLETED, created_at=created, started_at=start, finished_at=end)


def test_the_queue_is_counted_in_transcriptions_and_in_audio(acme: Tenant) -> None:
    transcription(acme, Status.QUEUED, 60.0, lane=Lane.INTERACTIVE)
    transcription(acme, Status.QUEUED, 30.0, lane=Lane.INTERACTIVE)
    transcription(acme, Status.RUNNING, 100.0, saved_seconds=40.0, lane=Lane.BULK)
    now = figures.read()
    interactive, _standard, bulk = now.lanes
    assert (interactive.waiting, interactive.waiting_seconds) == (2, 90.0)
    assert (bulk.running, bulk.running_seconds) == (1, 60.0)
    assert now.oldest_wait >= 0


def test_a_lane_has_one_name_for_programs_and_another_for_people(operator: Client) -> None:
    with override("zh-hans"):
        assert wakeups.queue_names(Lane.values) == ["interactive", "standard", "bulk"]
        assert [lane.name for lane in figures.read().lanes] == ["interactive", "standard", "bulk"]
        assert [str(lane.label) for lane in Lane] == ["交互", "标准", "批量"]
    page = operator.get(PAGE, headers={"accept-language": "zh-hans"}).content.decode()
    assert '<th scope="row">批量</th>' in page


def test_tables_can_be_scrolled_with_the_keyboard_and_times_say_their_zone(operator: Client) -> None:
    page = operator.get(PAGE).content.decode()
    names = ("engines", "queue", "latency", "slowest", "failures", "processes")
    for name in names:
        assert f'<div class="ops-scroll" tabindex="0" role="group" aria-labelledby="ops-{name}">' in page
    assert page.count("ops-scroll") == len(names)
    assert re.search(r"As of \d\d:\d\d:\d\d UTC\.", page)
    assert "When (UTC)" in page
    assert "Times are in UTC." in page


def test_a_column_is_not_called_what_a_microphone_does(operator: Client) -> None:
    page = operator.get(PAGE, headers={"accept-language": "zh-hans"}).content.decode()
    assert "录音中" not in page


def test_latency_of_an_hour_and_of_a_day(acme: Tenant) -> None:
    for waited in (1.0, 2.0, 3.0):
        completed(acme, waited, worked=10.0)
    completed(acme, 100.0, worked=10.0, ago=timedelta(hours=5))
    now = figures.read()
    assert now.hour.waited.p50 == pytest.approx(2.0)
    assert now.day.waited.p95 is not None
    assert now.day.waited.p95 > 50
    assert now.hour.throughput == pytest.approx(180 / 3600)
    assert sum(now.bars) == pytest.approx(180)


def test_the_speed_is_that_of_busy_engines(operator: Client, engine: Engine) -> None:
    Engine.objects.filter(pk=engine.pk).update(audio_seconds_done=990.0, busy_seconds=100.0)
    assert figures.load().speed == pytest.approx(9.9)
    assert "9.90×</strong> real time: " in operator.get(PAGE).content.decode()


def test_the_number_of_queries_does_not_grow(acme: Tenant, operator: Client, engine: Engine) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert operator.get(PAGE, headers={"x-requested-with": "fetch"}).status_code == 200
        return len(seen)

    queries()  # the figures of a day are read once a minute
    few = queries()
    for _ in range(5):
        completed(acme, 1.0, 1.0)
        transcription(acme, Status.QUEUED)
        transcription(acme, Status.FAILED, finished_at=timezone.now(), error_code="not_media")
        engines.report(uuid.uuid4().hex, condition(gpu=1000.0), 8, 8)
    assert queries() == few


def test_an_operator_sees_failures_and_memory(acme: Tenant, operator: Client) -> None:
    engines.report("gpu:0", condition(gpu=9783.0), 8, 8)
    transcription(acme, Status.FAILED, finished_at=timezone.now(), error_code="not_media", error_message="<b>moov</b>")
    page = operator.get(PAGE).content.decode()
    assert "9,783 MiB" in page or "9783 MiB" in page
    assert "<meter" in page
    assert "not_media" in page
    assert "&lt;b&gt;moov" in page
    assert 'aria-live="polite"' in page


def test_nothing_in_it_needs_an_inline_style(operator: Client, engine: Engine, acme: Tenant) -> None:
    completed(acme, 1.0, 1.0)
    part = operator.get(PAGE, headers={"x-requested-with": "fetch"}).content.decode()
    assert "style=" not in part
    assert "<script" not in part
    assert "<html" not in part


def test_members_of_a_tenant_are_kept_out(alice: Character, client: Client) -> None:
    client.force_login(alice.user)
    assert client.get(PAGE).status_code == 302
    assert client.get("/admin/").status_code == 302


def test_quantiles_of_little() -> None:
    assert figures.quantiles([]) == figures.Quantiles(None, None)
    assert figures.quantiles([7.0]) == figures.Quantiles(7.0, 7.0)


def test_a_chart_of_nothing_is_flat() -> None:
    chart = charts.bars([0.0, 0.0])
    assert [bar.height for bar in chart.bars] == [1.0, 1.0]
    assert charts.bars([1.0, 2.0]).bars[1].height == charts.HEIGHT


def test_each_process_is_shown_with_its_release_and_several_are_warned_of(
    operator: Client, settings: LazySettings
) -> None:
    web, sweeper = processes.Registration(Process.Kind.WEB), processes.Registration(Process.Kind.SWEEPER)
    settings.RELEASE = "1.4.0"
    web.report()
    page = operator.get(PAGE).content.decode()
    assert f"web process {web.pid}" in page
    assert "several releases" not in page
    settings.RELEASE = "1.5.0"
    sweeper.report()
    assert "Processes of several releases run: 1.4.0, 1.5.0." in operator.get(PAGE).content.decode()
    web.leave()
    assert "several releases" not in operator.get(PAGE).content.decode()


def test_a_disk_that_does_not_answer_leaves_a_process_on_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(_folder: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(shutil, "disk_usage", stale)
    processes.Registration(Process.Kind.WEB).report()
    assert processes.DISK_FREE not in Process.objects.get().figures
    assert health.least_free_gib() == math.inf
