"""Takes pictures of pages, in one theme and language, as PNG files of 256 colours."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, StorageState

from transcription.media.ffmpeg import find_ffmpeg

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
WIDTH, HEIGHT, TALLEST = 1280, 860, 1500
FEW_COLOURS = "split[all][some];[some]palettegen=stats_mode=single[few];[all][few]paletteuse=dither=none"
Act = Callable[[Page], None]


@dataclass(frozen=True)
class Camera:
    """Takes pictures of pages in one theme, into a folder."""

    browser: Browser
    url: str
    theme: Theme
    locale: str
    out: Path

    def take(
        self, name: str, session: StorageState | None, address: str, act: Act | None = None, whole: bool = True
    ) -> None:
        """Takes a page after `act`: the `whole` of it, or what is seen without scrolling."""
        context = self.browser.new_context(
            base_url=self.url,
            storage_state=session,
            viewport={"width": WIDTH, "height": HEIGHT},
            color_scheme=self.theme,
            locale=self.locale,
            reduced_motion="reduce",
        )
        page = context.new_page()
        page.goto(address)
        page.wait_for_load_state("networkidle")
        if act is not None:
            act(page)
        self.keep(page, name, whole)
        context.close()

    def keep(self, page: Page, name: str, whole: bool) -> None:
        file = self.out / f"{name}{'' if self.theme == 'light' else '-dark'}.png"
        height = int(page.evaluate("document.documentElement.scrollHeight")) if whole else HEIGHT
        page.set_viewport_size({"width": WIDTH, "height": min(max(height, HEIGHT), TALLEST)})
        picture = page.screenshot()
        command = [
            find_ffmpeg(),
            "-loglevel",
            "error",
            "-y",
            "-i",
            "-",
            "-vf",
            FEW_COLOURS,
            "-pred",
            "mixed",
            str(file),
        ]
        subprocess.run(command, input=picture, check=True)
        print(file, flush=True)
