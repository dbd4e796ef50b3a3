"""How a very long transcript opens, scrolls and is searched: a generated one of 30,000 segments in a real Chromium.

python -m benchmarks.transcript_page [--segments 30000] [--words]   (Chromium on the PATH, or named in CHROMIUM)

Four speakers, three lines each at a time; one line of forty is to be checked. Of five openings the shortest times are
printed; of what is done on the page, the longest step: the processor time of the browser's main thread, which answers
nothing else meanwhile. It is not the time on a clock, which depends on what else the machine does. The phone is the
same Chromium with a phone's window, its times multiplied by four.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

SENTENCE = "and then we came to the question of how the whole of it would be paid for in the next year"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
SEGMENT_SECONDS = 1.2
EVERY = 250  # segments, of which one has the word that is looked for


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--segments", type=int, default=30_000)
    parser.add_argument("--words", action="store_true", help="with times of words")
    args = parser.parse_args()
    from tests.stack import start_scripted, stop

    with tempfile.TemporaryDirectory() as folder:
        os.environ["PORTAL_TEST_DATA"] = folder
        data = Path(folder) / "data"
        data.mkdir()
        stack = start_scripted(data)
        try:
            measure(stack, args.segments, args.words)
        finally:
            stop(stack)


def measure(stack: Any, segments: int, words: bool) -> None:
    """Prints one table."""
    from benchmarks.table import machine, print_table
    from tests.browser.conftest import find_chromium, session_of_staff

    recording = _generated(stack, segments, words)
    from playwright.sync_api import sync_playwright

    columns = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        state = session_of_staff(browser, stack)
        for options, slower in DEVICES.values():
            context = browser.new_context(base_url=stack.url, storage_state=state, **options)
            columns.append(Visit(context, f"/recordings/{recording}/", slower).figures())
            context.close()
        browser.close()
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    title = f"A transcript of {segments:,} segments{' with words' if words else ''}"
    print_table(f"{title}; {machine()}, {os.getloadavg()[0]:.0f} processes at work", ["", *DEVICES], rows)


class Visit:
    """The page of a transcript in one browser. slower: by how much its processor is slower than this one."""

    def __init__(self, context: Any, address: str, slower: int) -> None:
        self._context, self._address, self._slower = context, address, slower
        self._page: Any = None

    def figures(self) -> dict[str, str]:
        opened = [self._open() for _again in range(OPENED)]
        usable, first, whole, worked = (min(times) for times in zip(*opened, strict=True))
        found = {
            "first lines can be read and used after": f"{usable:.2f} s",
            "… of which the page works": f"{first * self._slower:.2f} s",
            "all lines can be searched after": f"{whole:.2f} s",
            "… of which the page has worked": f"{worked * self._slower:.2f} s",
        }
        for name, (before, step, times) in STEPS.items():
            self._step(before)
            longest = max(self._step(step, at) for at in range(times))
            found[name] = f"{longest * self._slower:.0f} ms"
            print(f"  {name}: {found[name]}", flush=True)
        metrics = self._metrics()
        found["lines that are elements"] = f"{self._page.evaluate(THERE):,}"
        found["nodes"] = f"{metrics['Nodes']:,.0f}"
        found["memory of its scripts"] = f"{metrics['JSHeapUsedSize'] / 1e6:.0f} MB"
        found["memory of its process"] = f"{_resident() / 1e6:.0f} MB"
        return found

    def _open(self) -> tuple[float, float, float, float]:
        """Returns the seconds until a page can be used and until it has all lines, each with those that it worked."""
        if self._page:
            self._page.close()
        self._page = self._context.new_page()
        self._page.set_default_timeout(600_000)
        self._session = self._context.new_cdp_session(self._page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})
        began = time.perf_counter()
        self._page.goto(self._address, wait_until="commit")
        self._page.locator(".segment__time[tabindex='0']").wait_for()
        usable, worked = time.perf_counter() - began, self._busy()
        self._page.locator(".transcript--windowed").wait_for()
        return usable, worked, time.perf_counter() - began, self._busy()

    def _step(self, script: str, at: int = 0) -> float:
        """Returns the milliseconds of processor time that the page's main thread needs for a step, drawing included."""
        busy = self._busy()
        self._page.evaluate(f"async (at) => {{ {script}; {FRAME} }}", at)
        return (self._busy() - busy) * 1000

    def _busy(self) -> float:
        return self._metrics()["TaskDuration"]

    def _metrics(self) -> dict[str, float]:
        return {one["name"]: one["value"] for one in self._session.send("Performance.getMetrics")["metrics"]}


def _resident() -> float:
    """Returns the bytes of the largest renderer of this process, which is the page's."""
    import psutil

    ours = psutil.Process().children(recursive=True)
    return max(float(one.memory_info().rss) for one in ours if "--type=renderer" in one.cmdline())


OPENED = 5
DEVICES: dict[str, tuple[dict[str, Any], int]] = {
    "computer": ({"viewport": {"width": 1280, "height": 720}}, 1),
    "phone, four times slower": (
        {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 3, "is_mobile": True, "has_touch": True},
        4,
    ),
}
THERE = "document.getElementsByClassName('segment').length"
FRAME = "await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));"
SCROLL = "scrollBy(0, innerHeight)"
TYPE = """
    const input = document.querySelector("[data-finder] input");
    input.value = WORD.slice(0, at + 1);
    input.dispatchEvent(new Event("input"));
    await new Promise((done) => setTimeout(done, 100))
"""
CLEAR = TYPE.replace("WORD.slice(0, at + 1)", '""')
STEPS: dict[str, tuple[str, str, int]] = {
    "a page further": ("scrollTo(0, document.body.scrollHeight / 2)", SCROLL, 60),
    "a jump somewhere": ("scrollTo(0, 0)", "scrollTo(0, document.body.scrollHeight * ((at * 37) % 60) / 60)", 60),
    "a letter of a rare word": ("", f'const WORD = "xylophone"; {TYPE}', 9),
    "the next hit": ("", 'document.querySelector("[data-next]").click()', 20),
    "a letter of a word of every line": (CLEAR, f'const WORD = "question"; {TYPE}', 8),
    "a search that is cleared": ("", CLEAR, 1),
    "only one speaker, and all again": ("scrollTo(0, 0)", 'document.querySelector("[data-only]").click()', 2),
    "the next to check": ("", 'document.querySelector("[data-check-next]").click()', 20),
    "a moment that is played": ("", 'document.querySelector("audio").dispatchEvent(new Event("timeupdate"))', 10),
}  # fmt: skip


def _generated(stack: Any, segments: int, words: bool) -> str:
    """Writes a finished transcription into the product's database; returns its recording's id."""
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(segments), "words" if words else ""],
        env=os.environ | {"PORTAL_DATA": str(stack.data), "DJANGO_SETTINGS_MODULE": "tests.scripted.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()[-1]


WRITE = f"""
import sys
import django
django.setup()
from django.utils import timezone
from tenants import scope
from tenants.models import Member
from transcription.models import Recording, Segment, Speaker, Transcription
count, words = int(sys.argv[1]), bool(sys.argv[2])
tenant = Member.objects.order_by("pk").first().tenant
with scope.bound(tenant.id):
    recording = Recording.objects.create(
        tenant=tenant, name="long.wav", source="upload", storage_key="nowhere", format="wav", bytes=1,
        sha256="0" * 64, duration_seconds=count * {SEGMENT_SECONDS} + 1)
    row = Transcription.objects.create(
        tenant=tenant, recording=recording, model="base", status="completed", finished_at=timezone.now(),
        detected_language="en", speakers="4")
    Speaker.objects.bulk_create([Speaker.numbered(row, index) for index in range(4)])
    def segment(at):
        start = at * {SEGMENT_SECONDS}
        text = " {SENTENCE} " + ("xylophone" if at % {EVERY} == 0 else str(at))
        spoken = [
            {{"word": f" {{word}}", "start": round(start + n * 0.05, 3), "end": round(start + n * 0.05 + 0.04, 3),
              "probability": 0.9}} for n, word in enumerate(text.split())
        ] if words else []
        return Segment(
            tenant=tenant, transcription=row, index=at, start=start, end=start + 1.1, text=text, words=spoken,
            speaker=at // 3 % 4, avg_logprob=-1.2 if at % 40 == 7 else -0.2)
    Segment.objects.bulk_create([segment(at) for at in range(count)], 500)
print(recording.id)
"""

if __name__ == "__main__":
    main()
