"""Pushes operations pages to all who have them open: each is computed once, however many watch.

One for each web process. A change is looked at within a second, and at most once a second; what changes without an
event, as reports of engines and times, every five.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import override

from portal.http.outage import AWAY
from portal.http.thread_pools import in_thread
from portal.ops.pages import PUSHED
from tenants import scope
from transcription.alerts import shown

log = logging.getLogger(__name__)
LEAST_SECONDS, MOST_SECONDS = 1.0, 5.0


@dataclass(frozen=True)
class View:
    """A page as somebody sees it."""

    page: str
    query: tuple[tuple[str, str], ...]
    language: str
    may_act: bool


Show = Callable[[str], Coroutine[Any, Any, None]]


class Board:
    """Who watches which page. Without anybody nothing runs."""

    def __init__(self) -> None:
        self._watchers: dict[Show, View] = {}
        self._sending: dict[Show, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._pushing: asyncio.Task[None] | None = None

    def join(self, show: Show, view: View) -> None:
        """Shows a page from now on: `show` is handed its HTML."""
        if self._watchers.get(show) != view:
            self._watchers[show] = view
            self.change()
        if self._pushing is None:
            self._pushing = asyncio.create_task(self._push(), context=Context())  # outlives the socket that begins

    def leave(self, show: Show) -> None:
        self._watchers.pop(show, None)
        if sending := self._sending.pop(show, None):
            sending.cancel()
        if not self._watchers and self._pushing is not None:
            self._pushing.cancel()
            self._pushing = None

    def change(self) -> None:
        """Has the pages computed anew, soon."""
        self._changed.set()

    async def _push(self) -> None:
        while True:
            self._changed.clear()
            try:
                self._show(await rendered(set(self._watchers.values())))
            except AWAY as error:
                log.warning("Operations pages were not pushed (%s); trying again.", str(error).strip())
            except Exception:
                log.exception("Operations pages could not be pushed")
            await asyncio.sleep(LEAST_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(MOST_SECONDS - LEAST_SECONDS):
                    await self._changed.wait()

    def _show(self, pages: dict[View, str]) -> None:
        """Sends the pages. Whoever still takes an earlier one gets a later one, and holds nobody up."""
        for show, view in self._watchers.items():
            sending = self._sending.get(show)
            if view in pages and (sending is None or sending.done()):
                self._sending[show] = asyncio.create_task(_send(show, pages[view]))


async def _send(show: Show, html: str) -> None:
    try:
        await show(html)
    except Exception:
        log.exception("An operations page could not be sent")


async def rendered(views: Iterable[View]) -> dict[View, str]:
    """Reads each page's data once, and renders it for each language and right that somebody has."""
    return await in_thread(_rendered)(views)


def _rendered(views: Iterable[View]) -> dict[View, str]:
    with scope.across_tenants("operators watch the whole installation"):
        data = {(view.page, view.query): PUSHED[view.page](dict(view.query)) for view in views}
        alerts = shown.for_banner()
        return {view: _html(view, data[view.page, view.query] | {"alerts": alerts}) for view in views}


def _html(view: View, data: dict[str, Any]) -> str:
    """Renders a page's changing part. Its script puts the page's own token into forms."""
    perms = {"transcription": {"act_on_operations": view.may_act}}
    known = {"part": f"admin/_{view.page}.html", "perms": perms, "csrf_token": "of the page"}
    with override(view.language):
        return render_to_string("admin/_operations_region.html", data | known)
