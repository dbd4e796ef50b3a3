from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from portal.backup import BackupError, BackupFolder, make, restore, sealing, verify
from tenants import outbound_hold


class Command(BaseCommand):
    help = "Makes, lists, verifies and restores backups of the database, media and SECRET_KEY."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dir", type=Path, default=settings.BACKUP_DIR, help="folder of the backups (BACKUP_DIR)")
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        key = actions.add_parser("key", help="make a secret key, to be kept elsewhere, and its recipient")
        key.add_argument("file", type=Path, help="the file for the secret key; it must not exist")
        actions.add_parser("create", help="make a backup, beside the running portal")
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
        try:
            actions[options["action"]](BackupFolder(options["dir"]), options)
        except BackupError as error:
            raise CommandError(str(error)) from None

    def _say(self, text: str) -> None:
        self.stderr.write(text)

    def _key(self, _folder: BackupFolder, options: dict[str, Any]) -> None:
        secret, recipient = sealing.new_key()
        try:
            options["file"].touch(mode=0o600, exist_ok=False)
            options["file"].write_text(f"# {timezone.now():%Y-%m-%d}, public key: {recipient}\n{secret}\n")
        except OSError as error:
            raise BackupError(f"{options['file']} can't be made: {error.strerror}.") from None
        self._say(f"The secret key is in {options['file']}. Keep it where this portal's machines can't read it.")
        self.stdout.write(f"BACKUP_RECIPIENTS={recipient}")

    def _create(self, folder: BackupFolder, options: dict[str, Any]) -> None:
        if not settings.BACKUP_RECIPIENTS:
            raise BackupError("BACKUP_RECIPIENTS names no key to encrypt to. `manage.py backup key FILE` makes one.")
        to = sealing.recipients(settings.BACKUP_RECIPIENTS)
        manifest = make(folder, to, settings.BACKUPS_KEPT, self._say)
        self.stdout.write(f"{manifest.name}: {manifest.media} objects, {manifest.bytes} bytes with the database")

    def _list(self, folder: BackupFolder, options: dict[str, Any]) -> None:
        for name in folder.names():
            manifest = folder.manifest(name)
            self.stdout.write(f"{name}: {manifest.media} objects, {manifest.bytes} bytes with the database")

    def _verify(self, folder: BackupFolder, options: dict[str, Any]) -> None:
        keys = sealing.identities(options["key"]) if options["key"] else []
        manifest = verify(folder, options["name"], keys, self._say)
        how = "and can be restored" if keys else "; give --key to see that it can be decrypted"
        self.stdout.write(f"{manifest.name} is whole{' ' if keys else ''}{how}.")

    def _restore(self, folder: BackupFolder, options: dict[str, Any]) -> None:
        keys = sealing.identities(options["key"])
        restored = restore(folder, options["name"], keys, options["replace"], self._say)
        self.stdout.write(f"{restored.manifest.name} was restored, with {restored.objects} objects.")
        if restored.secret_key:
            file = settings.DATA / "secret_key.restored"
            file.touch(mode=0o600)
            file.write_text(restored.secret_key)
            self._say(f"Its SECRET_KEY is another one, and is in {file}: set SECRET_KEY to it, then delete the file.")
        self._say("Nothing goes out until `manage.py backup resume`: look at the portal first.")

    def _resume(self, _folder: BackupFolder, options: dict[str, Any]) -> None:
        if not outbound_hold.end():
            raise BackupError("Nothing was held.")
        self.stdout.write("Webhooks, mails and downloads go out again.")
