"""Somebody without an account checks a receipt, and the file that it is about, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Picture
from tests.browser.test_portal import open_transcript

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_browser_tells_a_genuine_receipt_from_a_changed_one(
    page: Page, open_context: Callable[..., BrowserContext], fox: Path, tmp_path: Path, picture: Picture
) -> None:
    open_transcript(page, fox, tmp_path, "Entretien “été”.wav")
    page.get_by_label("More actions").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Signed receipt").click()
    genuine = tmp_path / "receipt.json"
    download.value.save_as(genuine)
    changed = json.loads(genuine.read_text())
    changed["receipt"]["recording"]["added_by"] = "mallory@other.example"
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(changed))

    theirs = open_context().new_page()
    theirs.goto("/receipts/")
    told = theirs.locator("[data-receipt]")
    theirs.get_by_label("Receipt", exact=True).set_input_files(genuine)
    expect(told).to_contain_text("The receipt is genuine")
    expect(told).to_contain_text("Entretien “été”.wav")
    theirs.get_by_label("Recording (optional)").set_input_files(fox)
    expect(told).to_contain_text("The recording is the one that the receipt is about.")
    picture(theirs, "receipt", full_page=True)
    theirs.get_by_label("Recording (optional)").set_input_files(genuine)
    expect(told).to_contain_text("not the one that the receipt is about")
    theirs.get_by_label("Receipt", exact=True).set_input_files(forged)
    expect(told).to_contain_text("The receipt is not genuine")
    expect(told).not_to_contain_text("mallory")
