"""How a very long transcript opens, scrolls and is searched: a generated one of 30,000 segments in a real Chromium.

python -m benchmarks.transcript_page [--segments 30000] [--words]   (Chromium on the PATH, or named in CHROMIUM)

Four speakers, three lines each at a time; one line of forty is to be checked. Of what is done on the page, the longest
task of the browser's main thread is printed, in which it answers nothing; 0 is under 50 ms, which nobody feels. The
phone is the same Chromium with a phone's window and a throttled processor.
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
        for device, (options, slowdown) in DEVICES.items():
            print(device, flush=True)
            context = browser.new_context(base_url=stack.url, storage_state=state, **options)
            columns.append(_figures(context, f"/recordings/{recording}/", segments, slowdown))
            context.close()
        browser.close()
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    print_table(
        f"A transcript of {segments:,} segments{' with words' if words else ''}; {machine()}", ["", *DEVICES], rows
    )


def _figures(context: Any, address: str, segments: int, slowdown: int) -> dict[str, str]:
    """Returns what one browser takes for it. slowdown: by how much its processor is throttled."""
    context.add_init_script(WATCH)
    page = context.new_page()
    page.set_default_timeout(600_000)
    session = context.new_cdp_session(page)
    session.send("Performance.enable")
    session.send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.locator(".segment__time").first.wait_for()
    readable = time.perf_counter() - began
    page.locator(".segment__time[tabindex='0']").wait_for()
    usable = time.perf_counter() - began
    found = {
        "until its first lines can be read": f"{readable:.2f} s",
        "until they can be used": f"{usable:.2f} s",
        "longest task until then": f"{page.evaluate(LONGEST):.0f} ms",
    }
    found["a page further while the rest comes, longest task"] = f"{_longest(page, SCROLL):.0f} ms"
    while page.evaluate("document.getElementsByClassName('segment').length") < segments:
        time.sleep(0.2)
    found["until all of them are there"] = f"{time.perf_counter() - began:.1f} s"
    found["longest task meanwhile"] = f"{page.evaluate(LONGEST):.0f} ms"
    page.wait_for_timeout(1000)
    print(found, flush=True)
    for name, script in SCRIPTS.items():
        found[name] = f"{_longest(page, script):.0f} ms"
        print(f"  {name}: {found[name]}", flush=True)
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    found["elements and texts"] = f"{metrics['Nodes']:,.0f}"
    found["memory of its scripts"] = f"{metrics['JSHeapUsedSize'] / 1e6:.0f} MB"
    found["memory of its process"] = f"{_resident(context) / 1e6:.0f} MB"
    return found


def _longest(page: Any, script: str) -> float:
    """Returns the milliseconds of the longest task while a script runs."""
    page.evaluate(LONGEST)
    page.evaluate(f"async () => {{ {FRAMES} {script} await frame(); }}")
    page.wait_for_timeout(300)
    return float(page.evaluate(LONGEST))


def _resident(context: Any) -> float:
    """Returns the bytes of the renderer that has most: that of the page."""
    import psutil

    renderers = [one for one in psutil.process_iter(["cmdline"]) if "--type=renderer" in (one.info["cmdline"] or [])]
    return max(float(one.memory_info().rss) for one in renderers)


DEVICES: dict[str, tuple[dict[str, Any], int]] = {
    "computer": ({"viewport": {"width": 1280, "height": 720}}, 1),
    "phone, four times slower": (
        {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 3, "is_mobile": True, "has_touch": True},
        4,
    ),
}
WATCH = """
    window.longest = 0;
    new PerformanceObserver((list) => {
        for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
    }).observe({ type: "longtask", buffered: true });
"""
LONGEST = "() => { const found = window.longest; window.longest = 0; return found; }"
FRAMES = "const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));"
SCROLL = "for (let page = 0; page < 60; page += 1) { scrollBy(0, innerHeight); await frame(); }"
TYPE = """
    const input = document.querySelector("[data-finder] input");
    for (let at = 1; at <= WORD.length; at += 1) {
        input.value = WORD.slice(0, at);
        input.dispatchEvent(new Event("input"));
        await frame();
        await new Promise((done) => setTimeout(done, 120));
    }
"""
SCRIPTS = {
    "a page further, 60 times": f"scrollTo(0, document.body.scrollHeight / 2); await frame(); {SCROLL}",
    "jumps to 60 places": """
        for (let part = 0; part <= 60; part += 1) {
            scrollTo(0, document.body.scrollHeight * part / 60);
            await frame();
        }
    """,
    "a rare word, typed": f'const WORD = "xylophone"; {TYPE}',
    "a word of every line, typed": f'const WORD = "question"; {TYPE}',
    "the next hit, ten times": """
        for (let at = 0; at < 10; at += 1) {
            document.querySelector("[data-next]").click();
            await frame();
        }
    """,
    "the search is cleared": """
        const input = document.querySelector("[data-finder] input");
        input.value = "";
        input.dispatchEvent(new Event("input"));
    """,
    "only one speaker, and all again": """
        for (let at = 0; at < 2; at += 1) {
            document.querySelector("[data-only]").click();
            await frame();
        }
    """,
    "the next to check, ten times": """
        for (let at = 0; at < 10; at += 1) {
            document.querySelector("[data-check-next]").click();
            await frame();
        }
    """,
    "a second is played": """
        const audio = document.querySelector("audio");
        for (let at = 0; at < 10; at += 1) {
            audio.dispatchEvent(new Event("timeupdate"));
            await frame();
        }
    """,
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
