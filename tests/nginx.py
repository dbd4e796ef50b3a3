"""docker/nginx.conf as a test runs it: only ports, folders and the names of the web processes differ."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or ""


def command(
    folder: Path, address: str, plain: int, secure: int, webs: Sequence[str], url: str, media: Path | None = None
) -> list[str]:
    """Writes the file, with the certificate that docker/setup.sh makes, and returns the command line.

    `webs` are hosts with ports of web processes, `url` is the portal's, `media` what nginx sends. All else lies in
    `folder`.
    """
    names = ("SECRETS", "DATABASE_SECRETS", "S3_CONFIG", "CERTIFICATES")
    for name in names:
        (folder / name).mkdir(parents=True)
    given = {name: str(folder / name) for name in names} | {"OWNER": "", "PORTAL_URL": url}
    subprocess.run(
        ["sh", ROOT / "docker" / "setup.sh"], env={"PATH": os.environ["PATH"]} | given, check=True, capture_output=True
    )
    upstream = "".join(f"server {web} fail_timeout=2s; " for web in webs)
    changes = {
        r"listen \[::\]:[^;]+;": "",
        r"listen 80;": f"listen {address}:{plain};",
        r"listen 443 ": f"listen {address}:{secure} ",
        r"/etc/nginx/certificates": str(folder / "CERTIFICATES"),
        r"/etc/nginx/portal.d": str(folder / "portal.d"),
        r"/var/log/nginx/access.log": str(folder / "access.log"),
        r"/data/media/": f"{media or folder / 'media'}/",
        r"http://web:8000": "http://portal",
        r"resolver [^;]+;": f"upstream portal {{ {upstream}}}",
        r"events \{": f"pid {folder}/pid; error_log {folder}/error.log; daemon off; events {{",
    }
    text = (ROOT / "docker" / "nginx.conf").read_text()
    for pattern, replacement in changes.items():
        text, count = re.subn(pattern, replacement, text)
        assert count, pattern
    (folder / "nginx.conf").write_text(text)
    return [NGINX, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]


def certificate(folder: Path) -> Path:
    return folder / "CERTIFICATES" / "fullchain.pem"
