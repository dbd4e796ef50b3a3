"""The library in a browser: whose recordings it shows."""

from __future__ import annotations

import zipfile
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Picture
from tests.browser.test_portal import choose, copy_of
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def row(page: Page, name: str) -> Locator:
    return page.locator(".row", has_text=name)


def send_clip(stack: Stack, fox: Path, name: str) -> None:
    """As a program does, with a key."""
    headers = {"Authorization": f"Bearer {stack.credentials['api_key']}"}
    with fox.open("rb") as file:
        answer = httpx.post(f"{stack.url}/api/v1/recordings", headers=headers, files={"file": (name, file)})
    assert answer.status_code == 201, answer.text


COVERED = """items => items.filter((item) => {
    const { left, right, top, bottom } = item.getBoundingClientRect();
    const y = (top + bottom) / 2;
    return [left + 5, (left + right) / 2, right - 20, right - 60].some(
        (x) => !item.contains(document.elementFromPoint(x, y)));
}).map(({ textContent }) => textContent)"""


def test_programs_clips_are_shown_on_demand_and_that_is_remembered(
    page: Page, stack: Stack, fox: Path, tmp_path: Path, picture: Picture
) -> None:
    send_clip(stack, fox, "clip of a robot.wav")
    choose(page, copy_of(fox, tmp_path, "meeting of people.wav"))
    expect(row(page, "meeting of people.wav")).to_be_visible()
    expect(row(page, "clip of a robot.wav")).to_have_count(0)
    picture(page, "library people")
    page.get_by_text("By API").click()
    expect(row(page, "clip of a robot.wav")).to_be_visible()
    expect(row(page, "meeting of people.wav")).to_have_count(0)
    page.get_by_text("Filters", exact=True).click()
    expect(page.get_by_label("Who added it")).to_be_hidden()
    page.get_by_label("API key").select_option(index=1)
    page.wait_for_url("**key=*")
    picture(page, "library programs")
    page.goto("/recordings/")
    expect(page.get_by_role("radio", name="By API")).to_be_checked()
    page.get_by_role("radio", name="By API").press("ArrowRight")
    expect(row(page, "meeting of people.wav")).to_be_visible()
    expect(row(page, "clip of a robot.wav")).to_be_visible()
    page.get_by_label("Order").select_option("name")
    expect(page.locator(".row").first).to_contain_text("clip of a robot.wav")
    picture(page, "library all")


def test_a_tag_and_a_star_find_a_recording_again(page: Page, fox: Path, tmp_path: Path, picture: Picture) -> None:
    choose(page, copy_of(fox, tmp_path, "tagged fox.wav"))
    star = row(page, "tagged fox.wav").get_by_role("button", name="is a favourite of mine")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    expect(star).to_be_focused()
    row(page, "tagged fox.wav").get_by_role("link").first.click()
    for name in ("Interviews", "Board room"):
        page.get_by_label("New or known tag").fill(name)
        page.keyboard.press("Enter")
        expect(page.get_by_label("Tags").get_by_role("link", name=name)).to_be_visible()
        expect(page.get_by_label("New or known tag")).to_be_focused()
    page.get_by_role("button", name="Take the tag “Board room” off").click()
    expect(page.get_by_role("link", name="Board room")).to_have_count(0)
    picture(page, "tags of a recording")
    page.get_by_role("link", name="Interviews").click()
    expect(row(page, "tagged fox.wav")).to_be_visible()
    expect(page.get_by_label("Tag", exact=True)).to_have_value("Interviews")
    page.get_by_label("My favourites").check()
    page.wait_for_url("**favourite=1*")
    expect(row(page, "tagged fox.wav")).to_be_visible()
    picture(page, "library tags")
    page.get_by_role("link", name="Tags").click()
    page.get_by_text("Change Interviews").click()
    picture(page, "all tags")


def test_a_view_is_saved_opened_renamed_and_deleted(page: Page, picture: Picture) -> None:
    page.get_by_label("Order").select_option("longest")
    page.wait_for_url("**order=longest*")
    page.get_by_text("Save this view").click()
    page.locator("[data-save-view]").get_by_label("Name", exact=True).fill("Longest of mine")
    page.get_by_label("For everybody in the organisation").check()
    picture(page, "save a view")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("The view “Longest of mine” was saved.")).to_be_visible()
    page.goto("/recordings/")
    bar = page.get_by_role("navigation", name="Saved views")
    bar.get_by_role("link", name="Longest of mine").click()
    expect(page.get_by_label("Order")).to_have_value("longest")
    bar.get_by_role("link", name="Saved views").click()
    picture(page, "saved views")
    page.get_by_text("Change Longest of mine").click()
    page.get_by_label("Name", exact=True).fill("Long ones")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("main").get_by_role("link", name="Long ones").click()
    expect(page.get_by_label("Order")).to_have_value("longest")
    page.goto("/views/")
    page.get_by_text("Change Long ones").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("The view “Long ones” was deleted.")).to_be_visible()
    expect(page.get_by_role("link", name="Long ones")).to_have_count(0)


def test_many_are_selected_tagged_downloaded_deleted_and_brought_back(
    page: Page, fox: Path, tmp_path: Path, picture: Picture
) -> None:
    names = [f"many {number}.wav" for number in range(3)]
    choose(page, *(copy_of(fox, tmp_path, name) for name in names))
    for name in names:
        expect(row(page, name)).to_contain_text("Done", timeout=60_000)
    page.get_by_label("Search names and texts").fill("many")
    expect(page.locator(".row")).to_have_count(3)
    page.set_viewport_size({"width": 1280, "height": 680})
    for one in page.locator(".row").all():  # the last one's menu opens upwards
        one.locator("summary").click()
        items = one.locator(".menu__item")
        expect(items.last).to_have_text("Delete")
        expect(items.last).to_be_in_viewport(ratio=1)
        assert items.evaluate_all(COVERED) == []
    page.keyboard.press("Escape")
    row(page, names[0]).get_by_role("checkbox").press("Space")
    page.locator(".row").last.scroll_into_view_if_needed()
    expect(page.locator("[data-many-say]")).to_be_in_viewport()
    page.set_viewport_size({"width": 1280, "height": 860})
    expect(page.locator("[data-many-say]")).to_have_text("Selected: 1")
    page.get_by_label("Select all on this page").check()
    expect(page.locator("[data-many-say]")).to_have_text("Selected: 3")
    picture(page, "many selected")
    page.get_by_role("button", name="Tags…").click()
    page.get_by_label("New or known tag").fill("Batch")
    page.get_by_role("button", name="Put it on").click()
    expect(page.get_by_text("Tagged: 3")).to_be_visible()
    expect(page.locator(".row .chip", has_text="Batch")).to_have_count(3)
    page.locator("[data-options]").get_by_label("Spoken language").select_option("de")
    page.get_by_role("button", name="Transcribe again…").click()
    again = page.get_by_role("dialog", name="Transcribe again").get_by_label("Spoken language")
    expect(again).to_have_value("")
    expect(page.locator("[data-many-cost]")).to_contain_text("Recordings: 3. Minutes of audio: 1 at the most")
    picture(page, "many again")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Download…").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert {*archive.namelist()} == {f"many {number}.txt" for number in range(3)}
    page.get_by_role("button", name="Delete…").click()
    expect(page.get_by_role("dialog")).to_contain_text("They stay in the bin for 30 days.")
    picture(page, "many delete")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator(".row")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Brought back: 3 of 3")).to_be_visible()
    expect(page.locator(".row")).to_have_count(3)


def test_recordings_are_moved_to_a_folder_and_back(page: Page, fox: Path, tmp_path: Path, picture: Picture) -> None:
    page.goto("/folders/")
    page.get_by_label("Name", exact=True).fill("Board of directors")
    page.get_by_label("For its members only").check()
    page.get_by_role("button", name="Make").click()
    expect(page.get_by_role("heading", name="Board of directors")).to_be_visible()
    picture(page, "folder")
    page.goto("/folders/")
    picture(page, "folders")
    page.goto("/recordings/")
    names = [f"minutes {number}.wav" for number in range(2)]
    choose(page, *(copy_of(fox, tmp_path, name) for name in names))
    for name in names:
        row(page, name).get_by_role("checkbox").check()
    page.get_by_role("button", name="Move…").click()
    into = page.get_by_role("dialog").get_by_label("Folder")
    with page.expect_response("**/folders/names.json?q=board"):
        into.press_sequentially("board")
    expect(page.locator("#many-folder-names option")).to_have_count(1)
    into.fill("Board of directors")
    picture(page, "many move")
    page.get_by_role("dialog").get_by_role("button", name="Move", exact=True).click()
    expect(page.get_by_text("Moved: 2")).to_be_visible()
    expect(row(page, names[0]).get_by_role("link", name="Board of directors")).to_be_visible()
    picture(page, "library folders")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Moved back: 2 of 2")).to_be_visible()
    expect(row(page, names[0]).get_by_role("link", name="Board of directors")).to_have_count(0)
    page.get_by_role("navigation", name="Folders").get_by_role("link", name="Board of directors").click()
    expect(page.locator("#new-folder")).to_have_value("Board of directors")
    choose(page, copy_of(fox, tmp_path, "agenda.wav"))
    row(page, "agenda.wav").get_by_role("link").first.click()
    page.get_by_text("Move…").click()
    picture(page, "move one")
    page.get_by_role("button", name="Take out of its folder").click()
    expect(page.get_by_text("It is in no folder any more")).to_be_visible()
    page.locator("#toasts").get_by_role("button", name="Undo").click()
    expect(page.locator(".facts").get_by_role("link", name="Board of directors")).to_be_visible()
