"""A person edits a transcript as a text, and by the keys that they are used to, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Picture
from tests.browser.test_portal import open_transcript
from tests.conftest import MakeMedia

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def talk(fox: Path, make_media: MakeMedia) -> Path:
    return make_media("talk.wav", "-stream_loop", "12", "-i", str(fox), "-t", "25")


def lines(page: Page) -> list[str]:
    return [text.strip() for text in page.locator(".segment__text").all_text_contents()]


def is_paused(page: Page) -> bool:
    return bool(page.locator("audio").evaluate("audio => audio.paused"))


def put_caret(page: Page, at: int) -> None:
    page.locator(".segment__editor textarea").evaluate("(area, at) => area.setSelectionRange(at, at)", at)


def test_a_transcript_is_edited_as_a_text(page: Page, talk: Path, tmp_path: Path, picture: Picture) -> None:
    page.get_by_role("region", name="New transcription").get_by_label("Speakers").select_option("auto")
    open_transcript(page, talk, tmp_path, "a talk to type in.wav")
    before = lines(page)
    field = page.locator(".segment__editor textarea")

    page.get_by_role("button", name="Edit text").click()
    page.locator(".segment__text").first.click(position={"x": 60, "y": 12})
    expect(field).to_be_focused()
    assert is_paused(page), "a click puts the caret there and plays nothing"
    assert 0 < field.evaluate("area => area.selectionStart") < len(before[0])
    picture(page, "typing")

    cut = before[0].index(" ", 8)
    put_caret(page, cut)
    page.keyboard.press("Enter")
    page.keyboard.type("So ")
    expect(page.locator(".segment__text")).to_have_count(len(before) + 1)
    expect(page.locator("[data-index='1'] textarea")).to_have_value(f"So {before[0][cut + 1 :]}")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".toast")).to_contain_text("Saved.")
    assert lines(page) == [before[0][:cut], f"So {before[0][cut + 1 :]}", *before[1:]]
    speakers = page.locator(".segment__speaker").all_text_contents()
    assert speakers[0] == speakers[1]

    page.keyboard.press("e")
    put_caret(page, 0)
    page.keyboard.press("Backspace")
    expect(page.locator(".segment__text")).to_have_count(len(before))
    joined = f"{before[0][:cut]} So {before[0][cut + 1 :]}"
    expect(field).to_have_value(joined)
    assert field.evaluate("area => area.selectionStart") == cut + 1
    put_caret(page, len(joined))
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-index='1'] textarea")).to_be_focused()
    page.keyboard.press("Escape")
    assert lines(page) == [joined, *before[1:]]

    undo = page.get_by_role("button", name="Undo", exact=True).first
    for left in ([before[0][:cut], joined[cut + 1 :]], [before[0][:cut], before[0][cut + 1 :]], [before[0]]):
        undo.click()
        expect(page.locator(".segment__text").nth(len(left) - 1)).to_have_text(left[-1])
        assert lines(page) == [*left, *before[1:]]
    expect(undo).to_be_disabled()
    page.get_by_role("button", name="Redo", exact=True).click()
    expect(page.locator(".segment__text")).to_have_count(len(before) + 1)
    page.reload()
    assert lines(page) == [before[0][:cut], before[0][cut + 1 :], *before[1:]]

    page.locator(".segment__text").first.click(position={"x": 30, "y": 12})
    page.keyboard.press("Tab")
    expect(page.locator("[data-time]")).to_have_text("0:03")
    page.keyboard.press("Tab")
    expect(page.locator("[data-time]")).to_have_text("0:02")
    expect(field).to_be_focused()
    assert is_paused(page)
    picture(page, "typing-stopped")

    page.keyboard.press("Escape")
    page.keyboard.press("?")
    sheet = page.get_by_role("dialog", name="Keys")
    expect(sheet.get_by_text("Split the line at the caret")).to_be_visible()
    picture(page, "keys")
    sheet.get_by_label("As in").select_option(label="oTranscribe")
    sheet.get_by_role("button", name="Change the key: Undo").click()
    page.keyboard.press("F7")
    expect(sheet.get_by_role("status")).to_have_text("Saved.")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    picture(page, "keys-dark-phone")
    sheet.get_by_role("button", name="Close").click()
    page.reload()
    picture(page, "editor-dark-phone")
    page.locator(".segment__text").first.click(position={"x": 30, "y": 12})
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(field).to_be_focused()
    page.keyboard.press("F1")
    page.keyboard.press("Escape")
    assert is_paused(page)
    page.keyboard.press("Enter")
    expect(page.locator(".segment__text")).to_have_count(len(before) + 2)
    page.keyboard.press("F7")
    expect(page.locator(".segment__text")).to_have_count(len(before) + 1)


def test_text_is_replaced_and_times_are_shifted_for_many_lines_at_once(
    page: Page, talk: Path, tmp_path: Path, picture: Picture
) -> None:
    page.get_by_role("region", name="New transcription").locator("summary", has_text="More options").click()
    page.get_by_role("region", name="New transcription").get_by_label("Word times").check()
    open_transcript(page, talk, tmp_path, "many.wav")
    before = lines(page)
    page.get_by_role("button", name="Replace…").click()
    dialog = page.get_by_role("dialog", name="Find and replace")
    dialog.get_by_label("Find", exact=True).fill("fox")
    dialog.get_by_label("Replace with").fill("lynx")
    hits = dialog.get_by_role("checkbox", checked=True)
    expect(hits.first).to_be_visible()
    number = hits.count()
    expect(dialog.get_by_role("status")).to_have_text(f"{number} of {number} ticked")
    hits.first.uncheck()
    expect(dialog.get_by_role("status")).to_have_text(f"{number - 1} of {number} ticked")
    picture(page, "replace")
    dialog.get_by_role("button", name="Replace", exact=True).click()
    expect(page.locator(".toast")).to_contain_text(f"Replaced: {number - 1}")
    whole = " ".join(before)
    assert " ".join(lines(page)) == "fox".join(whole.replace("fox", "lynx").split("lynx", 1))
    page.keyboard.press("Control+z")
    expect(page.locator(".transcript")).not_to_contain_text("lynx")
    assert lines(page) == before

    starts = [float(line.get_attribute("data-start") or 0) for line in page.locator(".segment").all()]
    page.locator("button.segment__time").nth(1).focus()
    page.keyboard.press("m")
    times = page.get_by_role("dialog", name="Times")
    times.get_by_label("From this line to the end").check()
    times.get_by_role("button", name="A tenth of a second earlier").click()
    picture(page, "times")
    times.get_by_role("button", name="Save").click()
    expect(times).to_be_hidden()
    moved = [float(line.get_attribute("data-start") or 0) for line in page.locator(".segment").all()]
    assert moved == pytest.approx([starts[0], *(start - 0.1 for start in starts[1:])])
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="More tools").click()
    page.get_by_role("button", name="Times…").click()
    picture(page, "times-dark-phone")
    times.get_by_label("Shift by seconds").fill("-5000")
    times.get_by_role("button", name="Save").click()
    expect(times.get_by_role("alert")).to_contain_text("can be shifted by")


def test_the_edges_of_a_line_are_dragged_on_the_waveform(
    page: Page, talk: Path, tmp_path: Path, picture: Picture
) -> None:
    open_transcript(page, talk, tmp_path, "dragged.wav")
    line = page.locator(".segment").nth(1)
    start, end = (float(line.get_attribute(f"data-{name}") or 0) for name in ("start", "end"))
    line.locator(".segment__time").focus()
    page.keyboard.press("m")
    times = page.get_by_role("dialog", name="Times")
    left, right = (times.get_by_role("slider", name=name) for name in ("Start", "End"))
    expect(left).to_have_attribute("aria-valuenow", f"{start:.3f}")

    left.hover()
    at = left.bounding_box()
    assert at is not None
    page.mouse.down()
    page.mouse.move(at["x"] + at["width"] / 2 + 40, at["y"] + 10, steps=4)
    moved = float(left.get_attribute("aria-valuenow") or 0)
    assert start < moved < end
    expect(times.get_by_role("textbox", name="Start")).to_have_value(f"0:{moved:06.3f}")
    page.mouse.move(at["x"] - 2000, at["y"] + 10)
    before = float(page.locator(".segment").first.get_attribute("data-end") or 0)
    expect(left).to_have_attribute("aria-valuenow", f"{min(before, start):.3f}")
    page.mouse.move(at["x"] + at["width"] / 2 + 40, at["y"] + 10, steps=2)
    page.mouse.up()
    right.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    expect(right).to_have_attribute("aria-valuenow", f"{end - 0.11:.3f}")
    picture(page, "times-wave")
    times.get_by_role("button", name="Save").click()
    expect(times).to_be_hidden()
    expect(line).to_have_attribute("data-end", f"{end - 0.11:.3f}")
    assert float(line.get_attribute("data-start") or 0) == pytest.approx(moved, abs=0.02)

    line.locator(".segment__time").focus()
    page.keyboard.press("m")
    times.get_by_label("From this line to the end").check()
    expect(left).to_be_hidden()
    region = times.locator("[data-part=both]").bounding_box()
    assert region is not None
    page.mouse.move(region["x"] + region["width"] / 2, region["y"] + 10)
    page.mouse.down()
    page.mouse.move(region["x"] + region["width"] / 2 - 10, region["y"] + 10, steps=2)
    page.mouse.up()
    by = float(times.get_by_label("Shift by seconds").input_value())
    assert start - moved <= by < 0
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    picture(page, "times-wave-dark-phone")
    times.get_by_role("button", name="Save").click()
    expect(times).to_be_hidden()  # the line may be told by the socket first, and the dialog would take the keys
    expect(line).to_have_attribute("data-end", f"{end - 0.11 + by:.3f}")
    page.keyboard.press("Control+z")
    expect(line).to_have_attribute("data-end", f"{end - 0.11:.3f}")
    page.keyboard.press("Control+z")
    expect(line).to_have_attribute("data-end", f"{end:.3f}")
