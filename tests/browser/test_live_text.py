"""Text appears while the microphone records."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Picture

SAY = """async (encoded) => {
    const bytes = Uint8Array.from(atob(encoded), (one) => one.charCodeAt(0));
    const context = new AudioContext();
    const buffer = await context.decodeAudioData(bytes.buffer);
    const source = new AudioBufferSourceNode(context, {buffer, loop: true});
    const microphone = new MediaStreamAudioDestinationNode(context);
    source.connect(microphone);
    source.start();
    navigator.mediaDevices.getUserMedia = async () => microphone.stream.clone();
}"""


def test_text_appears_while_somebody_speaks_and_captions_have_a_window(page: Page, fox: Path, picture: Picture) -> None:
    page.evaluate(SAY, base64.b64encode(fox.read_bytes()).decode())
    page.get_by_role("region", name="New transcription").get_by_role("button", name="Record").click()
    lines = page.get_by_role("log", name="Live text")
    expect(lines.locator("p > span").first).to_contain_text(re.compile("fox", re.IGNORECASE))
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Captions in a window").click()
    expect(opened.value.locator("body.captions")).to_contain_text(re.compile("fox", re.IGNORECASE))
    picture(page, "live-text")
    picture(opened.value, "captions")
    page.get_by_label("Text while recording").uncheck()
    expect(lines).to_be_hidden()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("[data-recorder-audio]")).to_be_visible()
    page.get_by_role("button", name="Discard").click()
    assert opened.value.is_closed()
