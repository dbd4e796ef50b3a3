from __future__ import annotations

import getpass
import os
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from tenants import audit, invitations, people_addresses, scope
from tenants.access import OWN, system_actor
from tenants.invitations import InvalidInvitation, Invitee
from tenants.models import Plan, Quota, Role, Tenant
from transcription.errors import Refused
from transcription.media.storage import StorageUnavailable
from transcription.offboarding import deletion, downloads, receipts
from transcription.offboarding.models import Deletion
from transcription.receipts.signatures import InvalidReceipt


class Command(BaseCommand):
    help = "Makes a tenant, opens it, archives it, deletes it with all its data, and verifies receipts of deletions."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        create = actions.add_parser("create", help="make a tenant with the default quota, and invite its owner")
        create.add_argument("name")
        create.add_argument("--owner", required=True, metavar="EMAIL", help="who is invited to own it")
        create.add_argument("--plan", metavar="NAME", help="the plan that it is on; without one the default quota")
        export = actions.add_parser("export", help="write all data of a tenant to a zip file")
        self._add_tenant_argument(export)
        export.add_argument("file", type=Path, help="the zip file to create; it must not exist")
        delete = actions.add_parser("delete", help="erase a tenant for good, and print a signed receipt")
        self._add_tenant_argument(delete)
        delete.add_argument("--confirm", required=True, metavar="NAME", help="the tenant's name, as a confirmation")
        choice = delete.add_mutually_exclusive_group(required=True)
        choice.add_argument("--archive", type=Path, metavar="FILE", help="write all data to this zip file first")
        choice.add_argument("--without-archive", action="store_true", help="keep nothing")
        open_to = actions.add_parser("allow-any-address", help="let a tenant's people in from everywhere again")
        self._add_tenant_argument(open_to)
        verify = actions.add_parser("verify-receipt", help="check whether this portal signed a receipt")
        verify.add_argument("file", type=Path)

    def _add_tenant_argument(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="its id, or its name if that is unique")

    def handle(self, *args: Any, **options: Any) -> None:
        actions = {
            "create": self._create,
            "export": self._export,
            "delete": self._delete,
            "allow-any-address": self._allow_any_address,
            "verify-receipt": self._verify,
        }
        actions[options["action"]](options)

    def _create(self, options: dict[str, Any]) -> None:
        """Prints the invitation's link, for installations that send no mail."""
        plan = _plan(options["plan"])
        try:
            with transaction.atomic():
                tenant = Tenant(name=options["name"].strip())
                tenant.full_clean()
                tenant.save()
                (Quota.of_plan(tenant, plan) if plan else Quota.with_defaults(tenant)).save()
                with scope.bound(tenant.id):
                    actor = replace(system_actor(tenant), permissions=OWN)
                    audit.record(actor, "tenant.created", tenant, plan=plan.name if plan else None)
                    [invitation] = invitations.invite(actor, [Invitee(options["owner"], Role.OWNER)])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        except InvalidInvitation as error:
            raise CommandError(str(error)) from None
        self.stderr.write(f"{tenant.name} ({tenant.id}) was made. Its owner is invited by mail, and by this link:")
        self.stdout.write(invitations.link(invitation))

    def _export(self, options: dict[str, Any]) -> None:
        self._write(_found(options["tenant"]), options["file"])

    def _delete(self, options: dict[str, Any]) -> None:
        """Erases a tenant, or resumes an erasure that was interrupted."""
        name = options["tenant"]
        row = Deletion.objects.filter(tenant_uuid=name).first() if _is_id(name) else None
        if row is None:
            tenant = _found(name)
            if options["confirm"] != tenant.name:
                raise CommandError(f"Nothing was deleted: the tenant's name is “{tenant.name}”. Give it to --confirm.")
            archived = self._write(tenant, options["archive"]) if options["archive"] else ""
            try:
                row = deletion.begin(tenant, f"{getpass.getuser()} on the command line", archived)
            except Refused as refused:
                raise CommandError(refused.message) from None
        if row.state == Deletion.State.ERASING:
            self._erase(row)
        self.stdout.write(row.receipt)

    def _erase(self, row: Deletion) -> None:
        """Raises CommandError where something is not erased yet."""
        why = "Something was interrupted or added meanwhile."
        try:
            deletion.advance(row)
        except StorageUnavailable as error:
            why = str(error)
        row.refresh_from_db()
        if row.state == Deletion.State.ERASING:
            again = f"`tenant delete {row.tenant_uuid} …` resumes the erasure, and so does the sweeper."
            raise CommandError(f"{row.tenant_name} is switched off, but not erased yet. {why} {again}")

    def _allow_any_address(self, options: dict[str, Any]) -> None:
        """Helps owners who can't come in to change it."""
        tenant = _found(options["tenant"])
        with scope.bound(tenant.id):
            people_addresses.clear(system_actor(tenant))
        self.stderr.write(f"People of {tenant.name} are let in from any address.")

    def _verify(self, options: dict[str, Any]) -> None:
        try:
            receipt = receipts.verified(options["file"].read_text("utf-8"))
        except (OSError, UnicodeDecodeError, InvalidReceipt) as error:
            raise CommandError(str(error)) from None
        name, moment, who = receipt["tenant"]["name"], receipt["finished_at"], receipt["requested_by"]
        self.stdout.write(f"The receipt is genuine: {name} was erased on {moment}, as requested by {who}.")

    def _write(self, tenant: Tenant, file: Path) -> str:
        """Writes a file that only this account can read, and that has its name only when it is complete.

        Returns what the receipt says of it.
        """
        part = file.with_name(f"{file.name}.part")
        if file.exists():
            raise CommandError(f"{file} already exists. Name a file that does not.")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
                with scope.bound(tenant.id):
                    row = downloads.begin(tenant, f"{getpass.getuser()} on the command line")
                    out.writelines(downloads.stream(row, tenant, settings.PORTAL_URL))
                out.flush()
                os.fsync(out.fileno())
            part.rename(file)
        except (OSError, StorageUnavailable) as error:
            part.unlink(missing_ok=True)
            why = str(error).rstrip(".")
            raise CommandError(f"The archive could not be written: {why}. Nothing was deleted.") from None
        row.refresh_from_db()
        self.stderr.write(f"{file}: {row}")
        return f"{str(file)[-120:]}: {row}"


def _found(name: str) -> Tenant:
    """Raises CommandError."""
    tenants = list(Tenant.objects.filter(id=name) if _is_id(name) else Tenant.objects.filter(name=name))
    if not tenants:
        raise CommandError(f"There is no tenant “{name}”.")
    if len(tenants) > 1:
        ids = ", ".join(str(tenant.id) for tenant in tenants)
        raise CommandError(f"Several tenants are named “{name}”. Give the id of one of them: {ids}.")
    return tenants[0]


def _plan(name: str | None) -> Plan | None:
    """Raises CommandError."""
    plan = Plan.objects.filter(name=name).first() if name else None
    if name and plan is None:
        names = ", ".join(Plan.objects.values_list("name", flat=True)) or "none"
        raise CommandError(f"There is no plan “{name}”. There are: {names}.")
    return plan


def _is_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True
