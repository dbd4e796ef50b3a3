"""Limits that hold against a slow, endless, lying or broken other side."""

from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.receiver import Receiver
from transcription.outbound import connecting, exchange, requests
from transcription.outbound import download as downloads
from transcription.outbound.download import Downloaded, download
from transcription.outbound.errors import OutboundError
from transcription.outbound.requests import post

pytestmark = pytest.mark.usefixtures("loopback_allowed")


def fetch(url: str, path: Path, most: int = 1_000_000, seconds: float = 10) -> Downloaded:
    return download(url, path, most, seconds, lambda _size: None)


@contextmanager
def dripping(first: bytes, drop: bytes, pause: float = 0.05) -> Iterator[str]:
    """A server that never ends its answer: its URL."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)

        def serve() -> None:
            while not over.is_set():
                try:
                    client, _address = server.accept()
                except TimeoutError:
                    continue
                with client:
                    try:
                        client.sendall(first)
                        while not over.wait(pause):
                            client.sendall(drop)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            over.set()
            thread.join()


def within(seconds: float, call: Callable[[], object]) -> OutboundError:
    begin = time.monotonic()
    with pytest.raises(OutboundError) as error:
        call()
    assert time.monotonic() - begin < seconds
    return error.value


def test_a_recording_arrives_whole_under_its_own_name(receiver: Receiver, tmp_path: Path) -> None:
    receiver.body = b"sound" * 100_000
    receiver.headers = {"Content-Disposition": "attachment; filename*=UTF-8''B%C3%BCro.wav"}
    found = fetch(f"{receiver.url}/a?token=x", tmp_path / "file")
    assert (found.file_name, found.size) == ("Büro.wav", 500_000)
    assert found.path.read_bytes() == receiver.body
    receiver.headers = {}
    assert fetch(f"{receiver.url}/x/my%20talk.mp3?token=x#y", tmp_path / "file").file_name == "my talk.mp3"


def test_the_host_is_named_with_its_port(receiver: Receiver) -> None:
    post(receiver.url, b"{}", {"Content-Type": "application/json"})
    assert receiver.requests[0].headers["host"] == f"127.0.0.1:{receiver.port}"


def test_five_redirects_are_followed_and_no_sixth(receiver: Receiver, tmp_path: Path) -> None:
    def reply(handler: Any) -> None:
        left = int(handler.path.strip("/"))
        handler.send_response(302 if left else 200)
        handler.send_header("Location", str(left - 1))
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    receiver.reply = reply
    assert fetch(f"{receiver.url}/5", tmp_path / "file").size == 0
    with pytest.raises(OutboundError) as refused:
        fetch(f"{receiver.url}/6", tmp_path / "file")
    assert refused.value.code == "too_many_redirects"


def test_a_post_follows_no_redirect(receiver: Receiver) -> None:
    receiver.status, receiver.headers = 307, {"Location": f"{receiver.url}/elsewhere"}
    assert post(receiver.url, b"{}", {}).status == 307
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("said", [True, False])
def test_what_is_too_large_is_not_kept_reading(said: bool, receiver: Receiver, tmp_path: Path) -> None:
    def reply(handler: Any) -> None:
        handler.send_response(200)
        if said:
            handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(65_536))

    receiver.reply = reply
    error = within(5, lambda: fetch(receiver.url, tmp_path / "file", most=200_000))
    assert error.code == "too_large"
    file = tmp_path / "file"
    assert not file.exists() or file.stat().st_size <= 200_000


def test_a_bomb_is_measured_as_it_bursts(receiver: Receiver, tmp_path: Path) -> None:
    receiver.body, receiver.headers = gzip.compress(bytes(50_000_000)), {"Content-Encoding": "gzip"}
    error = within(5, lambda: fetch(receiver.url, tmp_path / "file", most=1_000_000))
    assert error.code == "too_large"


def test_a_file_that_ends_early_is_no_file(receiver: Receiver, tmp_path: Path) -> None:
    def reply(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"half")
        handler.close_connection = True

    receiver.reply = reply
    with pytest.raises(OutboundError) as error:
        fetch(receiver.url, tmp_path / "file")
    assert (error.value.code, error.value.may_succeed_later) == ("broken", True)


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_slow_loris_meets_the_deadline(first: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "POST_SECONDS", 0.5)
    with dripping(first, first if b"100" in first else b"X") as url:
        assert within(3, lambda: post(url, b"{}", {})).code == "timeout"
        assert within(3, lambda: fetch(url, tmp_path / "file", seconds=0.5)).code == "timeout"


def test_a_body_that_never_ends_does_not_undo_a_good_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "POST_SECONDS", 0.5)
    with dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x") as url:
        answer = post(url, b"{}", {})
    assert answer.status == 200
    assert 0 < len(answer.body) <= requests.BODY_BYTES


def test_a_file_that_drips_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "SLOW_SECONDS", 0.3)
    with dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x") as url:
        assert within(3, lambda: fetch(url, tmp_path / "file")).code == "too_slow"


def test_tls_that_never_comes_meets_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "POST_SECONDS", 0.5)
    with dripping(b"", b"\x16") as url:
        assert within(3, lambda: post(url.replace("http", "https"), b"{}", {})).code in ("timeout", "tls")


def test_a_resolver_that_hangs_meets_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(requests, "POST_SECONDS", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: over.wait(5) and [])
    assert within(2, lambda: post("https://slow.example/", b"{}", {})).code == "timeout"
    over.set()


def test_of_several_addresses_the_next_is_tried(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(socket.AF_INET, 1, 6, "", (one, 0)) for one in ("127.0.0.9", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: rows)
    monkeypatch.setattr(connecting, "CONNECT_SECONDS", 1.0)
    assert post(f"http://two.example:{receiver.port}/", b"{}", {}).status == 200


def test_what_is_no_http_is_named(tmp_path: Path) -> None:
    with dripping(b"+PONG\r\n" * 10, b"") as url:
        assert within(15, lambda: post(url, b"{}", {})).code == "broken"


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", f"/CN={name}"]
    subprocess.run([*command, "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True)
    return key, certificate


@contextmanager
def tls_server(key: Path, certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def serve() -> None:
            while True:
                try:
                    with context.wrap_socket(server.accept()[0], server_side=True) as client:
                        request = b""
                        # What is left unread at the end would break the answer.
                        while not request.endswith(b"{}") and (piece := client.recv(65_536)):
                            request += piece
                        client.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_the_certificate_must_be_the_host_s_and_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, trusted = certificate(tmp_path, "hooks.example")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: [(socket.AF_INET, 1, 6, "", ("127.0.0.1", 0))])
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    exchange.tls_context.cache_clear()
    try:
        with tls_server(key, trusted) as port:
            assert post(f"https://hooks.example:{port}/", b"{}", {}).status == 204
            for url in (f"https://other.example:{port}/", f"https://127.0.0.1:{port}/"):
                assert within(5, lambda url=url: post(url, b"{}", {})).code == "tls"  # type: ignore[misc]
            monkeypatch.delenv("SSL_CERT_FILE")
            exchange.tls_context.cache_clear()
            assert within(5, lambda: post(f"https://hooks.example:{port}/", b"{}", {})).code == "tls"
    finally:
        exchange.tls_context.cache_clear()
