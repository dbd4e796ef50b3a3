from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal.supervisor import demo


class Command(BaseCommand):
    help = "Creates a first tenant with an owner, an operator and an API key, and writes the credentials to a file."

    def handle(self, *args: Any, **options: Any) -> None:
        if not demo.is_new_installation():
            raise CommandError("Nothing was created: there are users or tenants already.")
        demo.create(settings.PORTAL_URL)
        self.stdout.write(f"{demo.credentials_file()}\n{demo.curl_line(settings.PORTAL_URL)}")
