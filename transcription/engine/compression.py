"""How repetitive a text is."""

from __future__ import annotations

import zlib


def compression_ratio(text: str) -> float:
    """Returns the bytes of the text over its bytes after zlib: high where the text repeats itself."""
    data = text.encode()
    return len(data) / len(zlib.compress(data))
