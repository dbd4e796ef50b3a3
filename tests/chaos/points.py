"""Named points of the product at which a process can be ordered to die.

Installed in a process of the product before it forks anything. A process at a point looks for an order of that
name, and if there is one it ends by SIGKILL, then and there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any

from tests.chaos import recordings
from tests.chaos.orders import Orders, die

LAST_ATTEMPT = 3

IN_A_JOB = (
    "claim.before",
    "claim.after",
    "storage.local_copy",
    "media.first_chunk",
    "engine.first_result",
    "save_window.before",
    "save_window.after",
    "complete.before",
    "complete.settled",
    "complete.told",
    "complete.after",
)
IN_THE_SWEEPER = ("expire_leases.before", "expire_leases.after")
IN_THE_WEB = ("intake.stored", "intake.reserved", "intake.accepted")
AFTER_A_FAILURE = ("fail.before", "fail.after")
AFTER_SIGTERM = ("hand_back.before", "hand_back.after")


class Scene:
    """What this process is at work on. Its third attempt is spared: a promise is kept to two crashes, not to three."""

    def __init__(self) -> None:
        self.orders = Orders.of_this_run()
        self.transcription = ""
        self.fence = 0
        self.completing = False

    def reach(self, point: str) -> None:
        if self.fence < LAST_ATTEMPT and self.orders.take(point, self.transcription, self.fence):
            die()


def install_in_jobs() -> None:
    from tenants import quota
    from transcription import media
    from transcription.engine.client import EngineClient
    from transcription.media import storage
    from transcription.queue import claims, lifecycle, progress

    scene = Scene()
    _replace(claims, "claim", lambda claim: _claiming(scene, claim))
    _replace(storage, "local_copy", lambda local_copy: _fetching(scene, local_copy))
    _replace(media, "decode", lambda decode: _first(scene, decode, "media.first_chunk"))
    _replace(EngineClient, "decode", lambda decode: _first(scene, _poisonable(decode), "engine.first_result"))
    for step in ("save_window", "fail", "hand_back"):
        _replace(lifecycle, step, partial(_around, scene, step))
    _replace(quota, "settle", lambda settle: _after(scene, settle, "complete.settled"))
    _replace(lifecycle, "complete", lambda complete: _completing(scene, complete))
    _replace(progress, "announce_change", lambda changed: _telling(scene, changed))


def install_in_sweeper() -> None:
    from transcription.queue import lifecycle

    scene = Scene()
    _replace(lifecycle, "expire_leases", partial(_around, scene, "expire_leases"))


def install_in_web() -> None:
    from tenants import quota
    from transcription.intake import accept
    from transcription.media import storage

    scene = Scene()
    _replace(storage, "save", lambda save: _after(scene, save, "intake.stored"))
    _replace(quota, "reserve", lambda reserve: _after(scene, reserve, "intake.reserved"))
    _replace(accept, "accept", lambda accept: _after(scene, accept, "intake.accepted"))


def _replace(owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
    setattr(owner, name, wrap(getattr(owner, name)))


def _around(scene: Scene, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        scene.reach(f"{step}.before")
        outcome = function(*args, **kwargs)
        scene.reach(f"{step}.after")
        return outcome

    return wrapped


def _after(scene: Scene, function: Callable[..., Any], point: str) -> Callable[..., Any]:
    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        outcome = function(*args, **kwargs)
        scene.reach(point)
        return outcome

    return wrapped


def _claiming(scene: Scene, claim: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(claim)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        scene.reach("claim.before")
        claimed = claim(*args, **kwargs)
        if claimed is not None:
            scene.transcription, scene.fence = str(claimed.transcription_id), claimed.fence
            scene.reach("claim.after")
        return claimed

    return wrapped


def _completing(scene: Scene, complete: Callable[..., Any]) -> Callable[..., Any]:
    around = _around(scene, "complete", complete)

    @wraps(complete)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        scene.completing = True
        try:
            return around(*args, **kwargs)
        finally:
            scene.completing = False

    return wrapped


def _telling(scene: Scene, changed: Callable[..., Any]) -> Callable[..., Any]:
    """After the commit of `complete`, before anybody is told."""

    @wraps(changed)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if scene.completing:
            scene.reach("complete.told")
        return changed(*args, **kwargs)

    return wrapped


def _fetching(scene: Scene, fetched: Callable[..., Any]) -> Callable[..., Any]:
    @contextmanager
    def wrapped(*args: Any, **kwargs: Any) -> Iterator[Path]:
        with fetched(*args, **kwargs) as path:
            scene.reach("storage.local_copy")
            yield path

    return wrapped


def _first(scene: Scene, stream: Callable[..., Iterable[Any]], point: str) -> Callable[..., Iterator[Any]]:
    @wraps(stream)
    def wrapped(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for item in stream(*args, **kwargs):
            scene.reach(point)
            yield item

    return wrapped


def _poisonable(decode: Callable[..., Any]) -> Callable[..., Any]:
    """A horse that meets a marked window dies of it, each time."""

    def tasted(windows: Iterable[Any]) -> Iterator[Any]:
        for window in windows:
            if recordings.is_marked(window.samples, recordings.KILLS_ITS_JOB):
                die()
            yield window

    @wraps(decode)
    def wrapped(self: Any, windows: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        return decode(self, tasted(windows), *args, **kwargs)

    return wrapped
