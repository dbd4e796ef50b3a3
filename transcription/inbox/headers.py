"""What the header of a message says, all of it written by strangers, and whether a server vouches for its sender."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes, policy

from transcription.outbound.imap import HEADER_BYTES
from transcription.scripts import one_line, without_turns

LONGEST_SUBJECT = 200
LONGEST_ADDRESS = 254
LONGEST_FROM = 2000
"""Thousands of addresses take the parser many seconds."""
ADDRESS = re.compile(r"[^\s@,;:<>()\[\]\\\"\x00-\x1f]+@[a-z0-9-]+(\.[a-z0-9-]+)+")
DMARC = re.compile(r"\s*dmarc(?:\s*/\s*1)?\s*=\s*([a-z]+)\b(.*)", re.IGNORECASE | re.DOTALL)
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
FROM = re.compile(r"\bheader\.from\s*=\s*([^\s;]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """`sender` is empty where the message names none, or several; `key` is the same for copies of one message."""

    sender: str
    subject: str
    key: str
    results: tuple[str, ...]

    @property
    def domain(self) -> str:
        return self.sender.rpartition("@")[2]

    @classmethod
    def read(cls, raw: bytes, locator: str) -> Header:
        """`locator` stands for a message without an id of its own."""
        plain = message_from_bytes(raw)
        # 8-bit texts are objects here, and raw: a decoded one could turn into other results
        named, sent = (str(plain.get(name, "")).strip() for name in ("Message-ID", "Date"))
        known = f"{named}\n{sent}" if named else locator
        key = hashlib.sha256(known.encode(errors="replace")).hexdigest()[:32]
        results = tuple(str(one) for one in plain.get_all("Authentication-Results", []))
        is_whole = len(raw) < HEADER_BYTES
        return cls(_sender(raw) if is_whole else "", _subject(raw), key, results)

    def is_vouched_for(self, authserv_id: str) -> bool:
        """Returns whether this server says, once and in no other way, that DMARC passed for the sender's domain."""
        found = [one for text in self.results for one in _dmarc_results(text, authserv_id)]
        return bool(self.sender) and found == [("pass", [self.domain])]


def _sender(raw: bytes) -> str:
    with suppress(Exception):  # Python's parser fails in many ways
        if len(str(message_from_bytes(raw).get("From", ""))) > LONGEST_FROM:
            return ""
        [header] = message_from_bytes(raw, policy=policy.default).get_all("From", [])
        [address] = header.addresses
        text = str(address.addr_spec).lower()
        if ADDRESS.fullmatch(text) and text.isprintable() and len(text) <= LONGEST_ADDRESS:
            return text
    return ""


def _subject(raw: bytes) -> str:
    with suppress(Exception):
        text = str(message_from_bytes(raw, policy=policy.default).get("Subject", ""))
        return one_line(without_turns(text)).replace("/", "-").replace("\\", "-")[:LONGEST_SUBJECT]
    return ""


def _dmarc_results(text: str, authserv_id: str) -> list[tuple[str, list[str]]]:
    """Returns what a header of this server says of DMARC: the result, and for which domains."""
    named, *methods = _fields(text)
    if named.split()[:1] != [authserv_id] and named.lower().split()[:1] != [authserv_id.lower()]:
        return []
    found = [DMARC.fullmatch(QUOTED.sub('""', one)) for one in methods]
    return [(one[1].lower(), [domain.lower() for domain in FROM.findall(one[2])]) for one in found if one]


def _fields(text: str) -> list[str]:
    """Returns what stands between semicolons, without comments (RFC 8601); quoted texts are left whole."""
    fields, depth, is_quoted, is_escaped = [""], 0, False, False
    for c in text:
        was_escaped, is_escaped = is_escaped, c == "\\" and not is_escaped and (is_quoted or depth > 0)
        if not was_escaped and not is_quoted and c in "()":
            depth = max(0, depth + (1 if c == "(" else -1))
        elif depth:
            continue
        elif not was_escaped and not is_quoted and c == ";":
            fields.append("")
        else:
            is_quoted ^= c == '"' and not was_escaped
            fields[-1] += c
    return fields
