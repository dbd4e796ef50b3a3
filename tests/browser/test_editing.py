"""A person corrects a transcript in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Picture
from tests.browser.test_portal import open_transcript

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SEGMENT = re.compile(r"/segments/\d+/$")


def test_a_segment_is_corrected_undone_and_a_conflict_is_shown(
    page: Page, fox: Path, tmp_path: Path, picture: Picture
) -> None:
    page.route_web_socket("**/ws/transcripts/**", lambda _socket: None)  # it hears of nobody else's correction
    open_transcript(page, fox, tmp_path, "corrected.wav")
    shown = page.locator(".segment__text").first
    spoken = shown.inner_text()
    page.locator("button.segment__time").first.focus()
    page.keyboard.press("e")
    field = page.locator(".segment__editor textarea")
    expect(field).to_be_focused()
    expect(field).to_have_value(spoken)
    field.fill("A red lynx.")
    page.keyboard.press("Enter")
    expect(shown).to_have_text("A red lynx.")
    expect(page.locator("button.segment__time").first).to_be_focused()
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(shown).to_have_text(spoken)

    other = page.context.new_page()
    other.goto(page.url)
    other.locator(".segment").first.hover()
    other.locator("[data-edit]").first.click()
    other.locator(".segment__editor textarea").fill("Somebody else's.")
    other.get_by_role("button", name="Save").click()
    expect(other.locator(".segment__text").first).to_have_text("Somebody else's.")
    other.close()

    page.locator("[data-edit]").first.click()
    field.fill("Mine.")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Somebody else changed this segment")).to_be_visible()
    expect(page.get_by_text("Somebody else's.")).to_be_visible()
    expect(field).to_have_value("Mine.")
    picture(page, "conflict")
    page.get_by_role("button", name="Save mine instead").click()
    expect(shown).to_have_text("Mine.")
    page.reload()
    expect(page.locator(".segment__text").first).to_have_text("Mine.")


def test_escape_leaves_a_segment_as_it_was(page: Page, fox: Path, tmp_path: Path) -> None:
    open_transcript(page, fox, tmp_path, "left.wav")
    shown = page.locator(".segment__text").first
    spoken = shown.inner_text()
    page.locator("[data-edit]").first.click()
    page.locator(".segment__editor textarea").fill("Nothing of it.")
    page.keyboard.press("Escape")
    expect(shown).to_have_text(spoken)
    expect(page.locator(".segment__editor")).to_have_count(0)


def test_a_correction_that_is_saved_late_leaves_what_is_typed_meanwhile(page: Page, fox: Path, tmp_path: Path) -> None:
    open_transcript(page, fox, tmp_path, "late.wav")
    shown = page.locator(".segment__text").first
    field = page.locator(".segment__editor textarea")
    held: list[Route] = []
    page.route(SEGMENT, lambda route: held.append(route), times=1)
    page.locator("[data-edit]").first.click()
    field.fill("A first thought.")
    with page.expect_request(SEGMENT):
        page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.locator("[data-edit]").first.click()
    field.fill("A second thought.")
    held[0].continue_()
    expect(page.locator(".toast")).to_contain_text("Saved.")
    expect(shown).to_have_text("A first thought.")
    expect(field).to_have_value("A second thought.")


def test_an_undo_whose_answer_was_lost_shows_what_stands_there(
    page: Page, fox: Path, tmp_path: Path, complaints: list[str]
) -> None:
    open_transcript(page, fox, tmp_path, "lost.wav")
    shown = page.locator(".segment__text").first
    spoken = shown.inner_text()
    page.locator("[data-edit]").first.click()
    page.locator(".segment__editor textarea").fill("Never mind.")
    page.keyboard.press("Enter")
    expect(shown).to_have_text("Never mind.")
    page.route("**/revert/", lambda route: (route.fetch(), route.abort()))
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(shown).to_have_text(spoken)
    assert [text for text in complaints if "ERR_FAILED" not in text] == []
    complaints.clear()


def test_subtitles_with_line_lengths_are_downloaded(page: Page, fox: Path, tmp_path: Path) -> None:
    open_transcript(page, fox, tmp_path, "lines.wav")
    page.get_by_role("button", name="Subtitles…").click()
    page.get_by_label("Characters per line").fill("12")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download SubRip").click()
    lines = Path(waiting.value.path()).read_text().splitlines()
    assert waiting.value.suggested_filename == "lines.srt"
    assert max(len(line) for line in lines if "-->" not in line) <= 12


def test_the_history_says_which_words_were_changed_and_leads_back(
    page: Page, fox: Path, tmp_path: Path, picture: Picture
) -> None:
    open_transcript(page, fox, tmp_path, "history.wav")
    shown = page.locator(".segment__text").first
    spoken = shown.inner_text()
    page.locator("[data-edit]").first.click()
    page.locator(".segment__editor textarea").fill(f"{spoken} Indeed.")
    page.keyboard.press("Enter")
    expect(shown).to_have_text(f"{spoken} Indeed.")
    page.get_by_label("More actions").click()
    page.get_by_role("link", name="History of corrections").click()
    expect(page.locator(".difference ins").first).to_contain_text("Indeed.")
    picture(page, "history")
    page.get_by_role("button", name="Back to the machine’s text").click()
    page.get_by_role("dialog").get_by_role("button", name="Go back").click()
    expect(page.locator(".difference del").first).to_contain_text("Indeed.")
    page.go_back()
    page.get_by_role("link", name="history.wav").click()
    expect(shown).to_have_text(spoken)


def test_no_sound_is_fetched_until_somebody_wants_to_hear(page: Page, fox: Path, tmp_path: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/media") else None)
    open_transcript(page, fox, tmp_path, "silent.wav")
    page.reload()
    page.wait_for_load_state("networkidle")
    assert asked == []
    page.get_by_label("Position in the recording").press("End")
    expect(page.locator("[data-time]")).not_to_have_text("0:00")
    assert len(asked) > 0
