from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import changepassword

from tenants import people
from tenants.access import system_actor
from tenants.models import User


class Command(changepassword.Command):
    """Django's command, which also writes the audit log: afterwards, so that no transaction waits for typed input."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        options["username"] = User.objects.normalize_email(options["username"])
        user = User.objects.filter(email=options["username"]).first()
        before = people.audited_fields(user.pk) if user else {}
        output = super().handle(*args, **options)
        if user:
            people.record_changes(user.pk, before, lambda member: system_actor(member.tenant), how="command")
        return output
