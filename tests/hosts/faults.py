"""What befalls the hosts, one after the other."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import psutil

from tests.hosts.installation import GPUWORKERS, HOSTS, SWEEPERS, WEBS, Installation

KILLED_SECONDS, UNPLUGGED_SECONDS, SILENT_SECONDS = 10.0, 20.0, 40.0
SHORT_SECONDS = 5.0


@dataclass(frozen=True)
class Fault:
    """Lasts for so many seconds."""

    name: str
    during: Callable[[Installation], AbstractContextManager[None]]
    seconds: float


def all_faults() -> list[Fault]:
    """Each process, each host's link, with and without a word, and each link between two hosts."""
    names = [
        *("nginx", *(f"web-{host}" for host in WEBS), *(f"gpuworker-{host}" for host in GPUWORKERS)),
        *(*(f"sweeper-{host}" for host in SWEEPERS), "sentinel-a", "valkey-a", "postgres", "prometheus"),
    ]
    pairs = [(one, other) for one in HOSTS for other in HOSTS if one < other]
    return [
        Fault("nothing", lambda _found: nullcontext(), KILLED_SECONDS),
        *(killed(name) for name in names),
        Fault("Valkey's primary killed", _without_primary, KILLED_SECONDS),
        Fault("S3 server frozen", lambda found: _frozen(found, "s3"), KILLED_SECONDS),
        *(unplugged(host) for host in HOSTS),
        *(silent(host) for host in HOSTS),
        *(parted(*pair) for pair in pairs),
    ]


def few_faults() -> list[Fault]:
    """One of each kind, the second for longer than the leases of the short run."""
    return [Fault("Valkey's primary killed", _without_primary, SHORT_SECONDS), silent("b", 2 * SHORT_SECONDS)]


def killed(name: str, seconds: float = KILLED_SECONDS) -> Fault:
    return Fault(f"{name} killed", lambda found: _without(found, name), seconds)


def unplugged(host: str) -> Fault:
    return Fault(f"host {host} unplugged", lambda found: found.network.unplugged(host), UNPLUGGED_SECONDS)


def silent(host: str, seconds: float = SILENT_SECONDS) -> Fault:
    return Fault(f"host {host} silent", lambda found: found.network.silent(host), seconds)


def parted(one: str, other: str) -> Fault:
    return Fault(f"link {one}-{other} silent", lambda found: found.network.parted(one, other), SILENT_SECONDS)


@contextmanager
def _without(installation: Installation, name: str) -> Iterator[None]:
    member = installation.members[name]
    member.is_held_down = True
    installation.kill(name)
    try:
        yield
    finally:
        member.is_held_down = False


def _without_primary(installation: Installation) -> AbstractContextManager[None]:
    return _without(installation, installation.primary())


@contextmanager
def _frozen(installation: Installation, name: str) -> Iterator[None]:
    """It keeps what it has in memory: killed, it would be another one."""
    process = installation.members[name].process
    assert process is not None
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in family:
        one.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for one in family:
            one.send_signal(signal.SIGCONT)
