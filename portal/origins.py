"""The origins that browsers may load audio from when media is stored in S3."""

from __future__ import annotations

from urllib.parse import urlsplit


def s3_origins(bucket: str, endpoint_url: str, region: str) -> list[str]:
    """Origins for the Content-Security-Policy: path style and virtual-hosted style."""
    if endpoint_url:
        parts = urlsplit(endpoint_url)
        return [f"{parts.scheme}://{parts.netloc}", f"{parts.scheme}://{bucket}.{parts.netloc}"]
    hosts = ["s3.amazonaws.com", *([f"s3.{region}.amazonaws.com"] if region else [])]
    return [origin for host in hosts for origin in (f"https://{host}", f"https://{bucket}.{host}")]
