"""Addresses that nobody may make us connect to: no connection is made, by any door."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from tests.receiver import Receiver
from transcription.outbound.download import download
from transcription.outbound.errors import OutboundError
from transcription.outbound.requests import check, post

PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::a9fe:a9fe]",
    "[2002:7f00:1::]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[2001:db8::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[5f00::1]",
]
TRICKS = [
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.0.1./",
    "http://127.0.0.%31/",
    "http://127。0。0。1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://localhost/",
    "http://localhost./",
    "http://example.com@127.0.0.1/",
    "http://user:secret@example.com/",
    "http://user@example.com/",
    "http://127.0.0.1\\@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://127.0.0.1\t/",
    "http://[fe80::1%25lo]/",
    "http://[::1%25lo]/",
    "http://example.com:22/",
    "http://example.com:25/",
    "http://example.com:0/",
    "http://example.com:99999/",
    "http://exa mple.com/",
    "http://example.com/\r\nHost: evil/",
    "http:///etc/passwd",
    "http://",
    "//127.0.0.1/",
    "file:///etc/passwd",
    "ftp://example.com/",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "unix:///run/valkey.sock",
    "data:audio/wav;base64,AAAA",
    "javascript:alert(1)",
    "",
    "no url at all",
    "https://" + "a" * 3000 + ".example/",
]
URLS = [f"http://{host}/" for host in PRIVATE] + [f"https://{host}:8443/x" for host in PRIVATE] + TRICKS


def doors(path: Path) -> list[Callable[[str], object]]:
    return [
        check,
        lambda url: post(url, b"{}", {}),
        lambda url: download(url, path, 1000, 5, lambda _size: None),
    ]


@pytest.fixture(autouse=True)
def plain_http_allowed(settings: LazySettings) -> None:
    settings.OUTBOUND_PLAIN_HTTP = ["downloads", "webhooks"]


def resolver(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A DNS that gives one answer after the other, the last one for ever; the names it was asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, *_arguments: object, **_more: object) -> list[Any]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, 1, 6, "", (one, 0)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("url", URLS)
def test_a_hostile_url_is_refused_and_nothing_is_connected(url: str, tmp_path: Path, connected: list[Any]) -> None:
    for door in doors(tmp_path / "file"):
        with pytest.raises(OutboundError):
            door(url)
    assert connected == []


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_with_a_private_address_is_refused(
    address: str, tmp_path: Path, connected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver(monkeypatch, [address.strip("[]")])
    for door in doors(tmp_path / "file"):
        with pytest.raises(OutboundError) as refused:
            door("https://innocent.example/")
        assert refused.value.code == "no_public_address"
    assert connected == []


def test_one_private_address_among_public_ones_is_enough(
    tmp_path: Path, connected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver(monkeypatch, ["93.184.215.14", "10.0.0.1"])
    for door in doors(tmp_path / "file"):
        with pytest.raises(OutboundError):
            door("http://mixed.example/")
    assert connected == []


def test_our_dns_tells_nobody_which_private_names_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    for answer in (["10.0.0.1"], []):
        resolver(monkeypatch, answer)
        with pytest.raises(OutboundError) as refused:
            check("https://payroll.internal/")
        told.append((refused.value.code, str(refused.value), refused.value.may_succeed_later))
    assert told[0] == told[1]


@pytest.mark.usefixtures("loopback_allowed")
def test_a_name_that_is_rebound_is_asked_once_and_its_first_answer_is_what_is_connected(
    receiver: Receiver, connected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolver(monkeypatch, ["127.0.0.1"], ["169.254.169.254"])
    answer = post(f"http://rebound.example:{receiver.port}/", b"{}", {})
    assert (answer.status, asked) == (200, ["rebound.example"])
    assert connected == [("127.0.0.1", receiver.port)]


def test_a_name_that_was_public_when_it_was_checked_is_refused_when_it_is_private_later(
    receiver: Receiver, connected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver(monkeypatch, ["93.184.215.14"], ["127.0.0.1"])
    url = check(f"http://rebound.example:{receiver.port}/")
    with pytest.raises(OutboundError):
        post(url, b"{}", {})
    assert (connected, receiver.connections) == ([], 0)


@pytest.mark.parametrize("place", ["http://10.0.0.1/x", "http://[::1]/x", "//169.254.169.254/", "file:///etc/passwd"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.usefixtures("loopback_allowed")
def test_a_redirect_is_judged_like_the_url_itself(
    status: int, place: str, receiver: Receiver, connected: list[Any], tmp_path: Path
) -> None:
    receiver.status, receiver.headers = status, {"Location": place}
    with pytest.raises(OutboundError):
        download(f"{receiver.url}/a.wav", tmp_path / "file", 1000, 5, lambda _size: None)
    assert connected == [("127.0.0.1", receiver.port)], "to the first host, and no further"


def test_the_environment_s_proxy_and_passwords_take_no_part(
    receiver: Receiver, settings: LazySettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = [ip_network("127.0.0.1/32")]
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.2:9")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login alice password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert post(receiver.url, b"{}", {}).status == 200
    assert "authorization" not in receiver.requests[0].headers


@pytest.mark.parametrize(("purpose", "refused"), [("downloads", True), ("webhooks", False)])
def test_plain_http_is_the_operator_s_choice(purpose: str, refused: bool, settings: LazySettings) -> None:
    settings.OUTBOUND_PLAIN_HTTP = [purpose]
    if not refused:
        assert check("http://93.184.215.14:80/hook") == "http://93.184.215.14/hook"
        return
    with pytest.raises(OutboundError, match="https"):
        check("http://93.184.215.14/hook")


@pytest.mark.parametrize("address", ["93.184.215.14", "[2606:4700::6810:84e5]", "8.8.8.8"])
def test_public_addresses_are_taken(address: str) -> None:
    assert check(f"https://{address}:8443/hook?a=1") == f"https://{address}:8443/hook?a=1"
