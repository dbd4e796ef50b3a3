"""A transcript of hours: its lines come part by part, and what is looked for is found in all of them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Picture, run
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LINES = 2500
WRITE = f"""
from django.utils import timezone
from tenants import scope
from tenants.models import Member
from transcription.models import Recording, Segment, Speaker, Transcription
tenant = Member.objects.order_by("pk").first().tenant
with scope.bound(tenant.id):
    recording = Recording.objects.create(
        tenant=tenant, name="hours.wav", source="upload", storage_key="nowhere", format="wav", bytes=1,
        sha256="0" * 64, duration_seconds=7200)
    row = Transcription.objects.create(
        tenant=tenant, recording=recording, model="base", status="completed", finished_at=timezone.now(),
        detected_language="en", speakers="2")
    Speaker.objects.bulk_create([Speaker.numbered(row, index) for index in range(2)])
    Segment.objects.bulk_create([
        Segment(
            tenant=tenant, transcription=row, index=at, start=at * 2.0, end=at * 2.0 + 1.9, speaker=at // 5 % 2,
            text=" Then we came to the question of it" + (", xylophone." if at % 500 == 499 else "."),
            avg_logprob=-1.2 if at % 1000 == 700 else -0.2)
        for at in range({LINES})], 500)
"""


def test_what_is_looked_for_is_found_in_lines_that_come_later(page: Page, stack: Stack, picture: Picture) -> None:
    run(stack, WRITE)
    page.goto("/recordings/?search=hours.wav")
    page.get_by_role("link", name="hours.wav").first.click()
    found = page.locator("[data-found]")
    page.get_by_label("Find in this transcript").fill("xylophone")
    expect(found).to_have_text("1 of 5")
    page.get_by_label("Find in this transcript").press("Shift+Enter")
    expect(found).to_have_text("5 of 5")
    expect(page.locator(".segment").nth(LINES - 1)).to_be_in_viewport()
    marked = "[...CSS.highlights.get('found-now')].map(String).join()"
    assert page.evaluate(marked) == "xylophone"
    expect(page.locator("[data-check-count]")).to_have_text(re.compile("2 places"))
    page.get_by_label("Find in this transcript").fill("question")
    expect(found).to_have_text(f"1 of {LINES}")
    near = page.evaluate("CSS.highlights.get('found').size")
    assert 0 < near < 500, "only what is near is marked"
    page.get_by_role("button", name="Next to check").dispatch_event("click")  # the player lies over it here
    expect(page.locator(".segment").nth(700)).to_be_in_viewport()
    line, aside = page.locator(".segment").nth(700), page.locator(".recording__aside")
    line.hover()
    edges = (
        line.evaluate("node => node.getBoundingClientRect().right"),
        aside.evaluate("node => node.getBoundingClientRect().left"),
    )
    assert edges[0] <= edges[1], "lines end where the column beside them begins"
    picture(page, "long")
    page.get_by_label("Find in this transcript").press("Escape")
    assert page.evaluate("CSS.highlights.get('found').size") == 0
