"""How a very long transcript opens, scrolls and is searched: a generated one of 30,000 segments in a real Chromium.

python -m benchmarks.transcript_page [--segments 30000] [--words]   (Chromium on the PATH, or named in CHROMIUM)
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
    from benchmarks.table import print_table
    from tests.browser.conftest import find_chromium, session_of_staff

    recording = _generated(stack, segments, words)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        state = session_of_staff(browser, stack)
        page = browser.new_context(base_url=stack.url, storage_state=state).new_page()
        page.set_default_timeout(600_000)
        began = time.perf_counter()
        page.goto(f"/recordings/{recording}/", wait_until="commit")
        first_byte = time.perf_counter() - began
        page.locator(".segment__time[tabindex='0']").wait_for()
        ready = time.perf_counter() - began
        rows = [
            ["bytes of the page", f"{page.evaluate(SIZE) / 1e6:.1f} MB"],
            ["until its first byte", f"{first_byte:.2f} s"],
            ["until its lines can be used", f"{ready:.2f} s"],
            ["elements", f"{page.locator('*').count():,}"],
        ]
        page.locator(".segment").nth(segments - 1).wait_for(state="attached")
        rows.append(["until all of them are there", f"{time.perf_counter() - began:.1f} s"])
        rows += [[name, f"{page.evaluate(script):.0f} ms"] for name, script in SCRIPTS.items()]
        print_table(f"A transcript of {segments:,} segments{' with words' if words else ''}", ["", ""], rows)
        browser.close()


SIZE = "performance.getEntriesByType('navigation')[0].decodedBodySize"
FRAMES = """
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    const timed = async (run) => {
        const began = performance.now();
        run();
        await frame();
        return performance.now() - began;
    };
"""
SCRIPTS = {
    "a jump somewhere, median": f"""async () => {{
        {FRAMES}
        const times = [];
        for (let part = 0; part <= 60; part += 1)
            times.push(await timed(() => scrollTo(0, document.body.scrollHeight * part / 60)));
        return times.sort((one, other) => one - other)[30];
    }}""",
    "a page further, the longest of 60": f"""async () => {{
        {FRAMES}
        scrollTo(0, document.body.scrollHeight / 2);
        await frame();
        let longest = 0;
        for (let page = 0; page < 60; page += 1)
            longest = Math.max(longest, await timed(() => scrollBy(0, innerHeight)));
        return longest;
    }}""",
    "a search, until the first hit is shown": f"""async () => {{
        {FRAMES}
        const input = document.querySelector("[data-finder] input");
        return timed(() => {{ input.value = "xylophone"; input.dispatchEvent(new Event("input")); }});
    }}""",
    "the next hit": f"""async () => {{
        {FRAMES}
        return timed(() => document.querySelector("[data-next]").click());
    }}""",
    "a seek to the middle": f"""async () => {{
        {FRAMES}
        const audio = document.querySelector("audio");
        return timed(() => audio.dispatchEvent(new Event("timeupdate")));
    }}""",
}


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
from transcription.models import Recording, Segment, Transcription
count, words = int(sys.argv[1]), bool(sys.argv[2])
tenant = Member.objects.order_by("pk").first().tenant
with scope.bound(tenant.id):
    recording = Recording.objects.create(
        tenant=tenant, name="long.wav", source="upload", storage_key="nowhere", format="wav", bytes=1,
        sha256="0" * 64, duration_seconds=count * {SEGMENT_SECONDS} + 1)
    row = Transcription.objects.create(
        tenant=tenant, recording=recording, model="base", status="completed", finished_at=timezone.now(),
        detected_language="en")
    def segment(at):
        start = at * {SEGMENT_SECONDS}
        text = " {SENTENCE} " + ("xylophone" if at % {EVERY} == 0 else str(at))
        spoken = [
            {{"word": f" {{word}}", "start": round(start + n * 0.05, 3), "end": round(start + n * 0.05 + 0.04, 3),
              "probability": 0.9}} for n, word in enumerate(text.split())
        ] if words else []
        return Segment(
            tenant=tenant, transcription=row, index=at, start=start, end=start + 1.1, text=text, words=spoken)
    Segment.objects.bulk_create([segment(at) for at in range(count)], 500)
print(recording.id)
"""

if __name__ == "__main__":
    main()
