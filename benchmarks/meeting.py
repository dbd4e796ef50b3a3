"""A meeting of hours, as somebody meets it: uploaded on the page, heard with speakers, read, searched, named, exported.

python -m benchmarks.meeting --hours 4 FILE …   (Chromium on the PATH, or named in CHROMIUM)

The files, each somebody's turn, are joined one after the other until the hours are full, but for a second: some
formats add a little, and the demo organisation takes four hours at most. The product is that of
`make run` with Whisper base. Each step must succeed; what it took is printed.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.processes import own_mib, processes_of, processor_seconds
from benchmarks.table import machine, print_table
from transcription.media import find_ffmpeg

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.stack import Stack

LOOK_SECONDS = 2.0
SHORTEST_SECONDS = 2.0
"""Of what somebody says in one file."""

PATIENCE_SECONDS = 4 * 3600
NAMES = {"Speaker 1": "Ada", "Speaker 2": "Grace"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=4)
    parser.add_argument("files", type=Path, nargs="+")
    args = parser.parse_args()
    from tests.stack import start, stop

    with tempfile.TemporaryDirectory() as folder:
        os.environ["PORTAL_TEST_DATA"] = folder
        data = Path(folder) / "data"
        data.mkdir()
        meeting = joined(args.files, args.hours, Path(folder) / "meeting.m4a")
        stack = start(data)
        try:
            measure(stack, meeting, args.hours)
        finally:
            stop(stack)


def joined(files: list[Path], hours: float, made: Path) -> Path:
    """Returns the files one after the other, again and again, as one recording of so many hours in AAC."""
    listed = made.with_suffix(".txt")
    once = "".join(f"file '{file.resolve()}'\n" for file in files)
    listed.write_text(once * math.ceil(hours * 3600 / SHORTEST_SECONDS / len(files)))
    source = ["-f", "concat", "-safe", "0", "-i", str(listed), "-t", str(hours * 3600 - 1)]
    command = [find_ffmpeg(), "-v", "error", *source, "-ac", "1", "-ar", "16000", "-b:a", "48k", str(made)]
    subprocess.run(command, check=True)
    return made


class Peaks:
    """The most memory of each process while something goes on, and the processor's seconds of all."""

    def __init__(self, stack: Stack) -> None:
        self.mib: dict[str, float] = {}
        self._stack = stack
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def finish(self) -> float:
        """Returns the processor's seconds of all processes."""
        self._ended.set()
        self._thread.join()
        return sum(processor_seconds(one) for one in processes_of(self._stack).values())

    def _look(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            with suppress(psutil.Error, OSError):  # some end meanwhile
                for name, process in processes_of(self._stack).items():
                    self.mib[name] = max(self.mib.get(name, 0), own_mib(process))


def measure(stack: Stack, meeting: Path, hours: float) -> None:
    """Prints one table. Raises playwright's errors where a step fails."""
    from playwright.sync_api import expect, sync_playwright

    from tests.browser.conftest import FLAGS, find_chromium, session_of_staff

    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_context(base_url=stack.url, storage_state=session_of_staff(browser, stack)).new_page()
        peaks = Peaks(stack)
        rows = hear(page, meeting)
        rows.append(["processor’s time of all processes", f"{peaks.finish() / hours:.0f} s an hour of sound"])
        rows += [[f"memory of {name}, at most", f"{mib:.0f} MiB"] for name, mib in sorted(peaks.mib.items())]
        rows += read(page)
        browser.close()
    title = f"A meeting of {hours:g} hours, {meeting.stat().st_size / 1e6:.0f} MB"
    print_table(f"{title}; {machine()}, {os.getloadavg()[0]:.0f} processes at work", ["", ""], rows)


def hear(page: Page, meeting: Path) -> list[list[str]]:
    """Uploads the meeting on the page and waits there for its text and its speakers."""
    from playwright.sync_api import expect

    page.goto("/recordings/")
    page.get_by_role("region", name="New transcription").get_by_label("Speakers").select_option("auto")
    began = time.perf_counter()
    page.locator("[data-drop] input").set_input_files(str(meeting))
    row = page.locator(".row", has_text=meeting.name)
    expect(row).to_be_visible(timeout=600_000)
    rows = [["uploaded and accepted after", _since(began)]]
    row.get_by_role("link", name=meeting.name).first.click()
    page.locator(".segment").first.wait_for(timeout=600_000)
    rows.append(["first text on its page after", _since(began)])
    page.locator("[data-voice]").first.wait_for(timeout=1000 * PATIENCE_SECONDS)
    return [*rows, ["all text with speakers after", _since(began)]]


def read(page: Page) -> list[list[str]]:
    """Opens the transcript anew, names two speakers, finds a word, and takes the text with the names along."""
    from playwright.sync_api import expect

    began = time.perf_counter()
    page.goto(page.url, wait_until="commit")
    page.locator(".segment__time[tabindex='0']").wait_for()
    rows = [["opened anew, first lines after", _since(began)]]
    rows.append(["speakers", str(page.locator("[data-voice]").count())])
    for speaker, name in NAMES.items():
        page.get_by_role("button", name=f"Name or merge {speaker}", exact=True).click()
        page.get_by_label("Name", exact=True).fill(name)
        page.keyboard.press("Enter")
        expect(page.locator("[data-voice]", has_text=name)).to_have_count(1)
    page.locator("[data-finder] input").fill("the")
    counted = page.locator("[data-finder] [data-found]")
    expect(counted).not_to_be_empty()
    rows.append(["places of “the”", counted.inner_text()])
    page.locator("summary", has_text="Download").click()
    began = time.perf_counter()
    with page.expect_download() as download:
        page.locator(".menu__item:visible", has_text="Text").first.click()
    text = Path(download.value.path()).read_text()
    assert all(f"\n{name}: " in f"\n{text}" for name in NAMES.values()), text[:1000]
    return [*rows, ["taken along as text after", f"{_since(began)}, {len(text.split()):,} words"]]


def _since(began: float) -> str:
    seconds = time.perf_counter() - began
    return f"{seconds / 60:.1f} min" if seconds > 100 else f"{seconds:.1f} s"


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    main()
