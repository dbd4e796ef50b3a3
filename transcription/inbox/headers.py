"""What the header of a message says, all of it written by strangers, and whether a server vouches for its sender."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import InvalidHeaderDefect
from email.message import Message

from transcription.outbound.imap import HEADER_BYTES
from transcription.scripts import one_line, without_turns

LONGEST_SUBJECT = 200
LONGEST_ADDRESS = 254
LONGEST_PARSED = 2000
"""Of a header; thousands of addresses take the parser many seconds."""
SMUGGLED = re.compile(rb"\r(?!\n)|\x00")
"""What some programs take for the end of a line or of a text, and others not."""
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
        is_clear = len(raw) < HEADER_BYTES and not SMUGGLED.search(raw)
        sender = _sender(plain) if is_clear else ""
        # 8-bit texts are objects here, and raw: a decoded one could turn into other results
        results = tuple(str(one) for one in plain.get_all("Authentication-Results", [])) if is_clear else ()
        named, sent = (str(plain.get(name, "")).strip() for name in ("Message-ID", "Date"))
        known = f"{sender}\n{named}\n{sent}" if named and sent else f"{sender}\n{named}\n{locator}"
        key = hashlib.sha256(known.encode(errors="replace")).hexdigest()[:32]
        return cls(sender, _subject(plain), key, results)

    def is_vouched_for(self, authserv_id: str) -> bool:
        """Returns whether this server says, once and in no other way, that DMARC passed for the sender's domain."""
        found = [one for text in self.results for one in _dmarc_results(text, authserv_id)]
        return bool(self.sender) and found == [("pass", [self.domain])]


def _sender(plain: Message) -> str:
    """Returns the address, unless programs could read the header in several ways."""
    with suppress(Exception):  # Python's parser fails in many ways
        [text] = _values(plain, "From")
        if len(text) > LONGEST_PARSED:
            return ""
        header = policy.default.header_fetch_parse("From", text)
        [group] = header.groups
        [address] = group.addresses
        is_clear = not any(isinstance(one, InvalidHeaderDefect) for one in header.defects)
        sender = str(address.addr_spec).lower()
        is_address = ADDRESS.fullmatch(sender) and sender.isprintable() and len(sender) <= LONGEST_ADDRESS
        if is_clear and is_address and group.display_name is None:
            return sender
    return ""


def _subject(plain: Message) -> str:
    with suppress(Exception):
        [text, *_more] = _values(plain, "Subject")
        subject = str(policy.default.header_fetch_parse("Subject", text[:LONGEST_PARSED]))
        return one_line(without_turns(subject)).replace("/", "-").replace("\\", "-")[:LONGEST_SUBJECT]
    return ""


def _values(plain: Message, name: str) -> list[str]:
    """Returns what stands in headers of a name, which nobody has parsed yet."""
    return [str(value) for key, value in plain.raw_items() if key.lower() == name.lower()]


def _dmarc_results(text: str, authserv_id: str) -> list[tuple[str, list[str]]]:
    """Returns what a header of this server says of DMARC: the result, and for which domains."""
    named, *methods = _fields(text)
    if named.split()[:1] != [authserv_id] and named.lower().split()[:1] != [authserv_id.lower()]:
        return []
    found = [DMARC.fullmatch(QUOTED.sub('""', one)) for one in methods]
    return [(one[1].lower(), [domain.lower() for domain in FROM.findall(one[2])]) for one in found if one]


def _fields(text: str) -> list[str]:
    """Returns what stands between semicolons, without comments (RFC 8601); quoted texts are left whole.

    A comment or quoted text without an end may hide a result: it counts as one that passes nothing.
    """
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
    return [*fields, "dmarc=unreadable"] if depth or is_quoted else fields
