"""Settings of CORS: pages of other sites may call both APIs with a key, never with a session's cookie."""

from __future__ import annotations

import re

from corsheaders.defaults import default_headers

ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
DEFAULT_PORTS = {("http", "80"), ("https", "443")}
PATHS = r"^/(v1|api/v1)/"
REQUEST_HEADERS = (
    *(name for name in default_headers if name != "x-csrftoken"),
    *("idempotency-key", "if-match", "if-none-match", "x-request-id"),
    *("tus-resumable", "upload-concat", "upload-defer-length", "upload-length", "upload-metadata", "upload-offset"),
    "x-http-method-override",
    *("openai-organization", "openai-project"),
    *(f"x-stainless-{name}" for name in ("arch", "helper-method", "lang", "os", "package-version", "retry-count")),
    *(f"x-stainless-{name}" for name in ("runtime", "runtime-version", "timeout")),
)
RESPONSE_HEADERS = (
    *("Content-Disposition", "ETag", "Location", "Retry-After", "WWW-Authenticate", "X-Request-Id"),
    *("Idempotency-Replayed", "X-Audio-Track", "X-Ignored-Parameters", "X-Quota-Resets-At", "X-Reused"),
    *("X-Should-Retry", "X-Warnings"),
    *("RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
    *(f"X-RateLimit-{name}-Requests" for name in ("Limit", "Remaining", "Reset")),
    *("Tus-Extension", "Tus-Max-Size", "Tus-Resumable", "Tus-Version"),
    *(f"Upload-{name}" for name in ("Expires", "Length", "Metadata", "Offset", "Recording", "State")),
)


def is_origin(text: str) -> bool:
    """Returns whether browsers write an origin so: in lower case, without a path or the scheme's own port."""
    found = ORIGIN.fullmatch(text)
    return found is not None and (found[1], found[3]) not in DEFAULT_PORTS
