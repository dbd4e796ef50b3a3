"""Checks a receipt offline: `python -m transcription.receipts FILE [--key KEY] [--media FILE]`.

It needs Python and the package `cryptography`, neither a portal nor its settings. Ends with 0 where all is well, 1
where something is not genuine, 2 where a file can't be read, 3 where no KEY says who signed it.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import unicodedata
from pathlib import Path
from typing import Any

from transcription.receipts.signatures import InvalidReceipt, verified

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m transcription.receipts", description="Checks a receipt offline.")
    parser.add_argument("file", type=Path, help="the receipt")
    parser.add_argument("--key", action="append", default=[], help="the portal's key, in base64; one of them signed it")
    parser.add_argument("--media", type=Path, help="the recording that the receipt is about")
    options = parser.parse_args(arguments)
    try:
        found = verified(options.file.read_bytes(), options.key)
        print(*_described(found.receipt), sep="\n")
        if options.media:
            _check_media(found.receipt, options.media)
    except InvalidReceipt as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename} can't be read: {error.strerror}.", file=sys.stderr)
        return 2
    if not options.key:
        print(f"Not changed since it was signed with the key {found.public_key}.")
        print("Anybody can have signed it: name the portal's key with --key.", file=sys.stderr)
        return 3
    print("Genuine: signed with the key that you named, and not changed since.")
    return 0


def _check_media(receipt: dict[str, Any], path: Path) -> None:
    """Raises InvalidReceipt where the file is another one, OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != _part(receipt, "recording").get("sha256"):
        raise InvalidReceipt(f"{path} is not the recording that the receipt is about, or it was changed.")
    print(f"{path} is the recording that the receipt is about.")


def _described(receipt: dict[str, Any]) -> list[str]:
    """Returns lines for people. What a stranger signed may have any shape."""
    recording, tenant = _part(receipt, "recording"), _part(receipt, "organisation") or _part(receipt, "tenant")
    lines = [f"{receipt.get('kind')} {recording.get('name') or recording.get('id') or tenant.get('id')}"]
    lines.append(f"of {tenant.get('name')}, by {receipt.get('portal')}")
    for event in receipt.get("events") or []:
        if isinstance(event, dict):
            who = event.get("name") or event.get("by")
            lines.append(f"{event.get('first')}  {event.get('action')}  {who}  {event.get('times')}x")
    return ["".join(_shown(character) for character in line) for line in lines]


def _shown(character: str) -> str:
    """Returns what a terminal may be given: no control or format characters."""
    return repr(character)[1:-1] if unicodedata.category(character) in HIDDEN else character


def _part(receipt: dict[str, Any], name: str) -> dict[str, Any]:
    part = receipt.get(name)
    return part if isinstance(part, dict) else {}


if __name__ == "__main__":
    sys.exit(main())
