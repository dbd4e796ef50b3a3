"""Hosts as network namespaces on a bridge, whose links can be cut, with and without anybody being told."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.nginx import NGINX

NOBODY = "02:00:00:00:00:fe"
"""A network card that no host has: what is sent to it is lost without a word."""

GIVES_UP = {"tcp_keepalive_time": 15, "tcp_keepalive_intvl": 5, "tcp_keepalive_probes": 3}
"""As docs/operations.md asks for."""


class Network:
    """Hosts "a", "b" and so on, and the bridge in our own namespace, where the clients are."""

    def __init__(self, hosts: str) -> None:
        number = os.getpid() % 250
        self._prefix = f"wp{os.getpid() % 100_000}"
        self._subnet = f"10.213.{number}"
        self.network = f"{self._subnet}.0/24"
        self.hosts = hosts

    def __enter__(self) -> Network:
        bridge = self._bridge
        _ip("link", "add", bridge, "type", "bridge")
        _ip("addr", "add", f"{self._subnet}.254/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        for host in self.hosts:
            space, outside = self.namespace(host), self._outside(host)
            _ip("netns", "add", space)
            _ip("link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("link", "set", outside, "master", bridge, "up")
            _ip("-n", space, "link", "set", "lo", "up")
            _ip("-n", space, "addr", "add", f"{self.address(host)}/24", "dev", "eth0")
            _ip("-n", space, "link", "set", "eth0", "up")
            values = [f"net.ipv4.{name}={value}" for name, value in GIVES_UP.items()]
            subprocess.run([*self.inside(host), "sysctl", "-q", "-w", *values], check=True)
        return self

    def __exit__(self, *_error: object) -> None:
        for host in self.hosts:
            subprocess.run(["ip", "netns", "delete", self.namespace(host)], check=False, capture_output=True)
        subprocess.run(["ip", "link", "delete", self._bridge], check=False, capture_output=True)

    def address(self, host: str) -> str:
        return f"{self._subnet}.{1 + self.hosts.index(host)}"

    def namespace(self, host: str) -> str:
        return f"{self._prefix}-{host}"

    def inside(self, host: str) -> list[str]:
        """What a command begins with that is run on a host, under its name."""
        named = ["unshare", "--uts", "sh", "-c", f'hostname host-{host} && exec "$@"', "sh"]
        return ["ip", "netns", "exec", self.namespace(host), *named]

    @contextmanager
    def unplugged(self, host: str) -> Iterator[None]:
        """The host's cable is out: it knows, and the others don't."""
        _ip("link", "set", self._outside(host), "down")
        try:
            yield
        finally:
            _ip("link", "set", self._outside(host), "up")

    @contextmanager
    def silent(self, host: str) -> Iterator[None]:
        """Whatever is sent to or from the host is lost, and nobody is told."""
        _ip("link", "set", self._outside(host), "nomaster")
        try:
            yield
        finally:
            _ip("link", "set", self._outside(host), "master", self._bridge)

    @contextmanager
    def parted(self, one: str, other: str) -> Iterator[None]:
        """Two hosts don't hear each other, and nobody is told; everybody else hears both."""
        for host, lost in ((one, other), (other, one)):
            entry = [self.address(lost), "lladdr", NOBODY, "dev", "eth0", "nud", "permanent"]
            _ip("-n", self.namespace(host), "neigh", "replace", *entry)
        try:
            yield
        finally:
            for host, lost in ((one, other), (other, one)):
                _ip("-n", self.namespace(host), "neigh", "delete", self.address(lost), "dev", "eth0")

    @property
    def _bridge(self) -> str:
        return f"{self._prefix}-br"

    def _outside(self, host: str) -> str:
        return f"{self._prefix}-{host}"


def why_not() -> str:
    """Why no hosts can be made on this machine; empty where they can."""
    if missing := [name for name in ("ip", "unshare", "setpriv", "sysctl", "prometheus") if not shutil.which(name)]:
        return f"{', '.join(missing)} is not installed (iproute2, util-linux, procps, prometheus)"
    if not NGINX:
        return "nginx is not installed"
    name = f"wp{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    return f"no network namespace can be made: {made.stderr.strip()}" if made.returncode else ""


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
