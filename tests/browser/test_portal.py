"""A day of a member of staff, in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from tests.browser.conftest import Picture, SignIn
from tests.conftest import MakeMedia
from tests.stack import Stack
from tests.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TRANSCRIBED = 60_000


@pytest.fixture(scope="module")
def minutes_of_speech(make_media: MakeMedia, fox: Path) -> Path:
    """Two minutes: several windows, so that there is progress to watch."""
    return make_media("two minutes.mp3", "-stream_loop", "40", "-i", str(fox), "-t", "120")


@pytest.fixture
def unheard_minutes(make_media: MakeMedia, minutes_of_speech: Path) -> Path:
    """The same for a test alone: what was transcribed before would be done at once."""
    return make_media("unheard.mp3", "-i", str(minutes_of_speech), "-metadata", f"comment={uuid.uuid4()}")


def choose(page: Page, *files: Path | str) -> None:
    page.locator("[data-drop] input").set_input_files([str(file) for file in files])


def row(page: Page, name: str) -> Locator:
    return page.locator(".row", has_text=name)


def copy_of(source: Path, folder: Path, name: str) -> Path:
    return Path(shutil.copy(source, folder / name))


def open_transcript(page: Page, source: Path, folder: Path, name: str) -> None:
    """Uploads a copy under that name and waits on its page for the transcript."""
    choose(page, copy_of(source, folder, name))
    row(page, name).get_by_role("link", name=name).click()
    expect(page.locator("[data-transcript]")).to_be_visible(timeout=TRANSCRIBED)
    page.wait_for_load_state("load")  # before that the page's modules hear nothing


def audio_time(page: Page) -> float:
    return float(page.evaluate("document.querySelector('audio').currentTime"))


def test_two_files_at_once_become_text_while_one_watches(page: Page, fox: Path, tmp_path: Path) -> None:
    choose(page, copy_of(fox, tmp_path, "first fox.wav"), copy_of(fox, tmp_path, "second fox.wav"))
    for name in ("first fox.wav", "second fox.wav"):
        expect(row(page, name)).to_be_visible()
        expect(row(page, name)).to_contain_text("Done", timeout=TRANSCRIBED)
    row(page, "first fox.wav").get_by_role("link").first.click()
    expect(page.locator("[data-transcript]")).to_contain_text("fox")


def test_a_file_whose_answer_was_lost_is_there_once_after_another_try(page: Page, fox: Path, tmp_path: Path) -> None:
    answers: list[int] = []
    line = page.context.new_cdp_session(page)

    def lose(paused: dict[str, Any]) -> None:
        answers.append(paused["responseStatusCode"])
        line.send("Fetch.failRequest", {"requestId": paused["requestId"], "errorReason": "InternetDisconnected"})

    line.on("Fetch.requestPaused", lose)
    line.send("Fetch.enable", {"patterns": [{"urlPattern": "*/recordings/", "requestStage": "Response"}]})
    choose(page, copy_of(fox, tmp_path, "lost answer.wav"))
    again = page.locator("[data-uploads]").get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    line.send("Fetch.disable")
    again.click()
    expect(page.locator("[data-uploads]")).to_contain_text("Open")
    assert answers == [201]
    page.reload()
    expect(row(page, "lost answer.wav")).to_have_count(1)


def test_the_text_grows_on_the_page_and_the_page_turns_into_the_player(
    page: Page, stack: Stack, unheard_minutes: Path, tmp_path: Path
) -> None:
    with stack.engine.held():
        choose(page, copy_of(unheard_minutes, tmp_path, "growing.mp3"))
        row(page, "growing.mp3").get_by_role("link").first.click()
        expect(page.locator("[data-recording]")).not_to_have_attribute("data-recording", "completed")
        stack.engine.allow(1)
        expect(page.locator("[data-segments] .segment").first).to_contain_text("fox")
        expect(page.locator("[data-bar]")).to_have_attribute("value", re.compile(r"[1-9]\d*"))
    expect(page.locator("[data-player]")).to_be_visible(timeout=TRANSCRIBED)
    expect(page.locator("[data-say]")).to_have_text("The transcript is ready.")


def test_listening_follows_the_text_and_a_click_seeks(page: Page, minutes_of_speech: Path, tmp_path: Path) -> None:
    open_transcript(page, minutes_of_speech, tmp_path, "listen.mp3")
    page.get_by_role("button", name="Play").click()
    page.locator(".segment").first.locator(".segment__text").click()  # the text need not begin with the sound
    expect(page.locator(".segment.is-spoken")).to_have_count(1)
    third = page.locator(".segment").nth(2)
    start = float(third.get_attribute("data-start") or 0)
    third.locator(".segment__text").click()
    expect(third).to_have_class(re.compile("is-spoken"))
    assert start <= audio_time(page) < start + 5
    page.locator(".segment").last.locator(".segment__text").click()
    expect(page.locator(".segment.is-spoken")).to_be_in_viewport()
    page.mouse.wheel(0, 400)
    page.get_by_role("button", name="Follow along").click()
    expect(page.get_by_role("button", name="Follow along")).to_be_hidden()


def test_what_finds_words_stays_in_sight_and_a_line_that_only_plays_is_not_struck_out(
    page: Page, minutes_of_speech: Path, tmp_path: Path
) -> None:
    page.set_viewport_size({"width": 1000, "height": 420})
    open_transcript(page, minutes_of_speech, tmp_path, "sight.mp3")
    for button in ("Strike out", "Comment"):
        page.get_by_role("button", name=button, exact=True).click()
        expect(page.locator(".toast--error").last).to_contain_text("Select words, or go to a line")
    page.get_by_label("Find in this transcript").fill("FOX")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".segment").last).to_be_in_viewport()
    expect(page.locator("[data-found]")).to_be_in_viewport()
    page.get_by_role("button", name="Next hit").click()
    expect(page.locator("[data-found]")).to_contain_text("1 of")
    expect(page.locator("[data-found]")).to_be_in_viewport()


def test_the_speed_is_remembered(page: Page, fox: Path, tmp_path: Path) -> None:
    open_transcript(page, fox, tmp_path, "fast fox.wav")
    page.get_by_label("Speed").select_option("1.5")
    page.reload()
    expect(page.get_by_label("Speed")).to_have_value("1.5")
    assert page.evaluate("document.querySelector('audio').playbackRate") == 1.5


def test_finding_copying_and_downloading_the_text(page: Page, fox: Path, tmp_path: Path) -> None:
    open_transcript(page, fox, tmp_path, "find the fox.wav")
    page.get_by_label("Find in this transcript").fill("FOX")
    expect(page.locator("[data-found]")).to_have_text("1 of 1")
    page.get_by_role("button", name="Copy text").click()
    expect(page.locator(".toast")).to_contain_text("Copied.")
    assert "fox" in page.evaluate("navigator.clipboard.readText()")
    for kind, beginning in {
        "SubRip": "1\n00:00:0",
        "WebVTT": "WEBVTT",
        "JSON": "{",
        "Table": "start\tend\ttext",
    }.items():
        page.locator("summary", has_text="Download").click()
        with page.expect_download() as download:
            page.locator(".menu__item:visible", has_text=kind).click()
        assert Path(download.value.path()).read_text().startswith(beginning)
        assert download.value.suggested_filename.startswith("find the fox.")


def test_a_recording_is_renamed_on_its_page_and_in_the_list(
    page: Page, fox: Path, tmp_path: Path, complaints: list[str]
) -> None:
    open_transcript(page, fox, tmp_path, "memo 7.wav")
    page.get_by_role("button", name="Rename this recording").click()
    page.get_by_role("dialog").get_by_label("Name").press_sequentially("Board")  # but for the ending it is selected
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Board.wav")
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("memo 7.wav")
    page.goto("/recordings/")
    page.route("**/menu/", lambda route: route.abort())
    row(page, "memo 7.wav").locator("summary").click()
    expect(row(page, "memo 7.wav")).to_contain_text("The rest of the menu could not be read.")
    page.unroute("**/menu/")
    complaints.clear()
    page.keyboard.press("Escape")
    row(page, "memo 7.wav").locator("summary").click()
    row(page, "memo 7.wav").get_by_role("button", name="Rename…").click()
    page.get_by_role("dialog").get_by_label("Name").fill("Budget")
    page.keyboard.press("Enter")
    expect(row(page, "Budget")).to_be_visible()


def test_deleting_asks_first_and_can_be_undone(page: Page, fox: Path, tmp_path: Path) -> None:
    choose(page, copy_of(fox, tmp_path, "regret.wav"))
    expect(row(page, "regret.wav")).to_contain_text("Done", timeout=TRANSCRIBED)
    row(page, "regret.wav").locator("summary").click()
    row(page, "regret.wav").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(row(page, "regret.wav")).to_be_visible()
    row(page, "regret.wav").locator("summary").click()
    row(page, "regret.wav").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".toast")).to_contain_text("“regret.wav” was deleted.")
    expect(row(page, "regret.wav")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(row(page, "regret.wav")).to_be_visible()


def test_a_confirmed_deletion_counts_though_the_page_was_drawn_anew_meanwhile(
    page: Page, stack: Stack, unheard_minutes: Path, tmp_path: Path
) -> None:
    recording = page.locator("[data-recording]")
    with stack.engine.held():
        choose(page, copy_of(unheard_minutes, tmp_path, "hasty.mp3"))
        row(page, "hasty.mp3").get_by_role("link").first.click()
        page.get_by_label("More actions").click()
        recording.get_by_role("button", name="Delete").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        expect(recording).not_to_have_attribute("data-recording", "completed")
    expect(recording).to_have_attribute("data-recording", "completed", timeout=TRANSCRIBED)
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator(".toast")).to_contain_text("“hasty.mp3” was deleted.")


def test_the_microphone_records_pauses_and_sends(page: Page) -> None:
    page.get_by_role("region", name="New transcription").get_by_role("button", name="Record").click()
    expect(page.locator("[data-recorder-time]")).to_have_text("0:02")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[data-recorder-state]")).to_have_text("Paused")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-recorder-audio]")).to_be_visible()
    page.locator("[data-recorder-send]").click()
    expect(page.locator(".upload.is-done")).to_be_visible()
    expect(row(page, "Recording 2")).to_be_visible()
    assert page.evaluate("indexedDB.databases().then((all) => all.length)") == 1
    page.reload()
    expect(page.locator(".recovered")).to_have_count(0)


def test_a_recording_that_was_discarded_is_taken_back(page: Page) -> None:
    page.locator("[data-mic]").click()
    expect(page.locator("[data-recorder-time]")).to_have_text("0:01")
    page.get_by_role("button", name="Stop").click()
    page.locator("[data-recorder-discard]").click()
    expect(page.locator("[data-recorder]")).to_be_hidden()
    page.locator(".toast").get_by_role("button", name="Undo").click()
    page.locator(".recovered").get_by_role("button", name="Discard").click()
    expect(page.locator(".recovered")).to_have_count(0)
    page.locator(".toast").get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Send it now").click()
    expect(page.locator(".upload.is-done")).to_be_visible()
    page.locator("[data-mic]").click()
    expect(page.locator("[data-recorder-time]")).to_have_text("0:01")
    page.get_by_role("button", name="Stop").click()
    page.locator("[data-recorder-discard]").click()
    page.locator(".toast").get_by_label("Close").click()
    page.reload()
    expect(page.locator(".recovered")).to_have_count(0)


def test_a_recording_survives_the_death_of_its_page(page: Page) -> None:
    page.get_by_role("region", name="New transcription").get_by_role("button", name="Record").click()
    expect(page.locator("[data-recorder-time]")).to_have_text("0:03")
    context = page.context
    page.close(run_before_unload=False)
    again = context.new_page()
    again.goto("/recordings/")
    expect(again.locator(".recovered")).to_contain_text("A recording was not sent")
    again.get_by_role("button", name="Send it now").click()
    expect(again.locator(".upload.is-done")).to_be_visible()
    again.reload()
    expect(again.locator(".recovered")).to_have_count(0)


def test_a_refused_file_says_why_and_leaves_nothing_behind(page: Page, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a sound")
    choose(page, text)
    expect(page.locator(".upload.is-failed")).to_contain_text("not audio")
    expect(row(page, "notes.txt")).to_have_count(0)
    page.get_by_role("button", name="Cancel notes.txt").click()
    expect(page.locator(".upload")).to_have_count(0)


def test_a_file_over_the_limit_is_refused_before_it_is_sent(page: Page, fox: Path) -> None:
    page.locator("[data-new]").evaluate("(card) => { card.dataset.maxBytes = 1000; }")
    choose(page, fox)
    expect(page.locator(".upload.is-failed")).to_contain_text("your limit is 1,000 bytes")


def test_a_broken_connection_is_said_and_a_retry_sends_again(page: Page, fox: Path, tmp_path: Path) -> None:
    page.context.set_offline(True)
    choose(page, copy_of(fox, tmp_path, "stubborn.wav"))
    expect(page.locator(".upload.is-failed")).to_contain_text("The connection broke.")
    page.context.set_offline(False)
    page.locator(".upload").get_by_role("button", name="Try again").click()
    expect(page.locator(".upload.is-done")).to_be_visible()


def test_searching_keeps_the_address_and_the_focus(page: Page, fox: Path, tmp_path: Path) -> None:
    choose(page, copy_of(fox, tmp_path, "needle.wav"))
    expect(row(page, "needle.wav")).to_be_visible()
    page.get_by_role("searchbox", name="Search names and texts").type("needle")
    expect(page).to_have_url(re.compile(r"[?&]search=needle(&|$)"))
    expect(page.locator(".row")).to_have_count(1)
    expect(page.get_by_role("searchbox", name="Search names and texts")).to_be_focused()
    page.get_by_role("searchbox", name="Search names and texts").fill("no such thing")
    expect(page.locator(".empty")).to_contain_text("Nothing matches")


def test_the_example_of_a_new_key_works_as_pasted(page: Page, make_media: MakeMedia, fox: Path) -> None:
    recording = make_media("recording.mp3", "-i", str(fox))
    page.goto("/keys/")
    page.get_by_label("What will use it?").fill("Shell")
    page.get_by_role("button", name="Create key").click()
    example = page.locator("#example").inner_text()
    answer = subprocess.run(["bash", "-c", f"{example} --silent"], cwd=recording.parent, capture_output=True, text=True)
    assert "fox" in answer.stdout
    page.goto("/keys/")
    expect(page.locator("#example")).to_have_count(0)
    page.get_by_role("button", name="Revoke Shell").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.locator("table")).to_contain_text("Revoked")


def test_the_keyboard_is_enough(page: Page, minutes_of_speech: Path, tmp_path: Path) -> None:
    open_transcript(page, minutes_of_speech, tmp_path, "keys only.mp3")
    page.goto("/recordings/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    row(page, "keys only.mp3").get_by_role("link").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-player]")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.keyboard.press("Space")
    before = audio_time(page)
    page.keyboard.press("ArrowRight")
    assert audio_time(page) == pytest.approx(before + 5, abs=0.5)
    page.get_by_role("slider").focus()
    page.keyboard.press("Home")
    assert audio_time(page) == 0
    page.locator("button.segment__time[tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".segment").nth(1)).to_have_class(re.compile("is-spoken"))
    page.locator("summary", has_text="Download").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".menu__item:focus")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("summary", has_text="Download")).to_be_focused()


def test_every_page_in_light_dark_and_on_a_phone(sign_in: SignIn, fox: Path, tmp_path: Path, picture: Picture) -> None:
    """No page complains, none scrolls sideways."""
    looks: dict[str, dict[str, object]] = {
        "light": {"color_scheme": "light"},
        "dark": {"color_scheme": "dark"},
        "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
    }
    page = sign_in()
    open_transcript(page, fox, tmp_path, "seen fox.wav")
    transcript = page.url
    for look, options in looks.items():
        page = sign_in(**options)
        for name, address in {
            "recording": transcript, "library": "/recordings/", "usage": "/usage/", "keys": "/keys/",
            "preferences": "/preferences/", "password": "/accounts/password/change/", "nothing": "/nowhere/",
        }.items():  # fmt: skip
            page.goto(address)
            page.wait_for_load_state("load")
            picture(page, f"{name}-{look}", full_page=True)
            width = page.viewport_size["width"] if page.viewport_size else 0
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (look, name)
            if name == "preferences":
                expect(page.locator(".site-nav [aria-current]")).to_be_in_viewport()
        background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert (look == "dark") == (background == "rgb(16, 20, 19)")


def test_the_theme_is_chosen_and_remembered(page: Page) -> None:
    for _step in range(2):
        page.locator("[data-theme-button]").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_page_speaks_chinese_when_asked(page: Page) -> None:
    page.locator("summary[title='Language of this page']").click()
    page.get_by_role("button", name="简体中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")


def test_the_list_says_when_it_is_cut_off_and_catches_up(page: Page, stack: Stack, fox: Path) -> None:
    lines = Lines(page, "**/ws/recordings/**")
    page.goto("/recordings/?by=all")
    lines.cut()
    expect(page.get_by_text("Reconnecting…")).to_be_visible()
    with fox.open("rb") as audio:
        answer = httpx.post(
            f"{stack.url}/v1/audio/transcriptions",
            headers=stack.bearer,
            files={"file": ("while you were away.wav", audio)},
            data={"model": "whisper-1"},
            timeout=120,
        )
    assert answer.status_code == 200
    lines.mend()
    expect(row(page, "while you were away.wav")).to_contain_text("Done", timeout=30_000)
    expect(page.get_by_text("Reconnecting…")).to_be_hidden()


def test_a_lost_message_is_noticed_and_made_good(
    page: Page, stack: Stack, unheard_minutes: Path, tmp_path: Path
) -> None:
    lines = Lines(page, "**/ws/transcriptions/**", lose="progress")
    with stack.engine.held():
        choose(page, copy_of(unheard_minutes, tmp_path, "gap.mp3"))
        row(page, "gap.mp3").get_by_role("link").first.click()
        expect(page.locator("[data-recording]")).not_to_have_attribute("data-recording", "completed")
    expect(page.locator("[data-transcript]")).to_be_visible(timeout=TRANSCRIBED)
    assert {"type": "resync"} in lines.sent


def test_the_list_asks_by_itself_where_no_message_comes(
    page: Page, stack: Stack, unheard_minutes: Path, tmp_path: Path
) -> None:
    lines = Lines(page, "**/ws/recordings/**")
    page.clock.install()
    page.goto("/recordings/")
    with stack.engine.held():
        choose(page, copy_of(unheard_minutes, tmp_path, "silence.mp3"))
        expect(row(page, "silence.mp3").get_by_role("progressbar")).to_be_visible()
        lines.fall_silent()
    until(lambda: state_of(stack, "silence.mp3") == "completed")
    expect(row(page, "silence.mp3")).not_to_contain_text("Done")
    page.clock.fast_forward("00:31")
    expect(row(page, "silence.mp3")).to_contain_text("Done")


def state_of(stack: Stack, name: str) -> str:
    query = {"search": name}
    found = httpx.get(f"{stack.url}/api/v1/recordings", headers=stack.bearer, params=query, timeout=60).json()
    return str(found["results"][0]["transcription"]["status"])


class Lines:
    """The WebSockets of a page under our thumb: cut, mended, silent, or losing the first message of a type."""

    def __init__(self, page: Page, pattern: str, lose: str = "") -> None:
        self.sent: list[object] = []
        self._is_silent = False
        self._lose = lose
        self._is_cut = False
        self._open: list[WebSocketRoute] = []
        page.route_web_socket(pattern, self._connect)

    def cut(self) -> None:
        self._is_cut = True
        for line in self._open:
            line.close()

    def mend(self) -> None:
        self._is_cut = False

    def fall_silent(self) -> None:
        self._is_silent = True

    def _connect(self, line: WebSocketRoute) -> None:
        if self._is_cut:
            line.close()
            return
        self._open.append(line)
        server = line.connect_to_server()
        line.on_message(lambda text: self._up(server, text))
        server.on_message(lambda text: self._down(line, text))

    def _up(self, server: WebSocketRoute, text: str | bytes) -> None:
        self.sent.append(json.loads(text))
        server.send(text)

    def _down(self, line: WebSocketRoute, text: str | bytes) -> None:
        if self._is_silent:
            return
        if self._lose and json.loads(text)["type"] == self._lose:
            self._lose = ""
            return
        line.send(text)
