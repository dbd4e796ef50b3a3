from __future__ import annotations

import os
import signal
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from portal.backup import BackupError, BackupFolder, Manifest, make, restore, sealing, verify
from tenants import outbound_hold
from tenants.models import Backup


class Command(BaseCommand):
    help = "Makes, lists, verifies and restores backups of the database, media and SECRET_KEY."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dir", type=Path, default=settings.BACKUP_DIR, help="folder of the backups (BACKUP_DIR)")
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        key = actions.add_parser("key", help="make a secret key, to be kept elsewhere, and its recipient")
        key.add_argument("file", type=Path, help="the file for the secret key; it must not exist")
        create = actions.add_parser("create", help="make a backup, beside the running portal")
        create.add_argument(
            "--unless-within", type=float, default=0, metavar="HOURS", help="make none where the last is younger"
        )
        actions.add_parser("list", help="list the backups")
        check = actions.add_parser("verify", help="read all of a backup; with --key decrypt it, too")
        back = actions.add_parser("restore", help="put a backup in the place of a portal that is stopped")
        for action in (check, back):
            action.add_argument("name", nargs="?", default="", help="as `list` shows it; the newest unless given")
        check.add_argument("--key", type=Path, help="file with the secret key")
        back.add_argument("--key", type=Path, required=True, help="file with the secret key")
        back.add_argument("--replace", action="store_true", help="overwrite an installation that has people")
        actions.add_parser("resume", help="let webhooks, mails and downloads go out after a restore")

    def handle(self, *args: Any, **options: Any) -> None:
        actions = {
            "key": self._key,
            "create": self._create,
            "list": self._list,
            "verify": self._verify,
            "restore": self._restore,
            "resume": self._resume,
        }
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, end)
        try:
            actions[options["action"]](BackupFolder(options["dir"]), options)
        except BackupError as error:
            raise CommandError(str(error)) from None

    def _say(self, text: str) -> None:
        self.stderr.write(text)

    def _key(self, _folder: BackupFolder, options: dict[str, Any]) -> None:
        secret, recipient = sealing.new_key()
        try:
            write_private(options["file"], f"# {timezone.now():%Y-%m-%d}, public key: {recipient}\n{secret}\n")
        except OSError as error:
            raise BackupError(f"{options['file']} can't be made: {error.strerror}.") from None
        self._say(f"The secret key is in {options['file']}. Keep it where this portal's machines can't read it.")
        self.stdout.write(f"BACKUP_RECIPIENTS={recipient}")

    def _create(self, folder: BackupFolder, options: dict[str, Any]) -> None:
        if not settings.BACKUP_RECIPIENTS:
            raise BackupError("BACKUP_RECIPIENTS names no key to encrypt to. `manage.py backup key FILE` makes one.")
        to = sealing.recipients(settings.BACKUP_RECIPIENTS)
        young = timezone.now() - timedelta(hours=options["unless_within"])
        if (last := Backup.objects.first()) and last.finished_at > young and last.name in folder.names():
            self._say(f"{last.name} is young enough.")
            return
        self.stdout.write(str(make(folder, to, settings.BACKUPS_KEPT, self._say)))

    def _list(self, folder: BackupFolder, options: dict[str, Any]) -> None:
        for name in folder.names():
            self.stdout.write(str(folder.manifest(name)))

    def _verify(self, folder: BackupFolder, options: dict[str, Any]) -> None:
        keys = sealing.identities(options["key"]) if options["key"] else []
        manifest = self._chosen(folder, options)
        verify(folder, manifest, keys, self._say)
        how = " and can be restored" if keys else "; give --key to see that it can be decrypted"
        self.stdout.write(f"{manifest.name} is whole{how}.")

    def _restore(self, folder: BackupFolder, options: dict[str, Any]) -> None:
        keys = sealing.identities(options["key"])
        manifest = self._chosen(folder, options)
        restored = restore(folder, manifest, keys, options["replace"], self._say)
        self.stdout.write(f"{manifest.name} was restored, with {restored.objects} objects.")
        if restored.secret_key:
            file = settings.DATA / "secret_key.restored"
            file.unlink(missing_ok=True)
            write_private(file, restored.secret_key)
            kept = settings.DATA / "secret_key"
            self._say(f"Its SECRET_KEY is another one, and is in {file}: set SECRET_KEY to it, or move it to {kept}.")
        self._say("Nothing goes out until `manage.py backup resume`: look at the portal first.")
        if restored.lost:
            lost = "\n".join(restored.lost)
            raise BackupError(f"{len(restored.lost)} objects are lost; restore again to try once more:\n{lost}")

    def _chosen(self, folder: BackupFolder, options: dict[str, Any]) -> Manifest:
        manifest = folder.manifest(options["name"]) if options["name"] else folder.newest()
        self._say(str(manifest))
        return manifest

    def _resume(self, _folder: BackupFolder, options: dict[str, Any]) -> None:
        if not outbound_hold.end():
            raise BackupError("Nothing was held.")
        self.stdout.write("Webhooks, mails and downloads go out again.")


def write_private(file: Path, text: str) -> None:
    """Writes a new file that only this account can read. Raises OSError where it is there already."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(text)


def end(*_signal: object) -> NoReturn:
    """Ends as an exception does, so that no decrypted copy is left."""
    raise SystemExit(143)
