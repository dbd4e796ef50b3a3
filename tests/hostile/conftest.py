"""A product of its own, started as `make run` does it, with Alice and Bob of Acme, Mallory of Evil and an operator."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests import stack
from tests.stack import ROOT, Stack

LITTLE_PATIENCE = {"REQUEST_HEAD_SECONDS": "3", "REQUEST_BODY_SECONDS": "3"}
USUAL_FILES = 1024
"""That a process may open in most shells."""
PASSWORD = "correct horse battery"
CHARACTERS = """
import json
from tenants import api_keys
from tenants.models import Member, Quota, Role, Tenant, User

made = {}
for tenant_name, people in {"Acme": {"alice": Role.OWNER, "bob": Role.VIEWER}, "Evil": {"mallory": Role.OWNER}}.items():
    tenant = Tenant.objects.create(name=tenant_name)
    Quota.with_defaults(tenant).save()
    for name, role in people.items():
        email = f"{name}@{tenant_name.lower()}.example"
        user = User.objects.create_user(email, PASSWORD)
        Member.objects.create(tenant=tenant, user=user, role=role)
        _key, secret = api_keys.issue(tenant, f"Key of {name}", user)
        made[name] = {"email": email, "tenant_id": str(tenant.id), "api_key": secret}
User.objects.create_superuser("operator@portal.example", PASSWORD)
made["operator"] = {"email": "operator@portal.example", "tenant_id": "", "api_key": ""}
print(json.dumps(made))
"""


@dataclass(frozen=True)
class Person:
    email: str
    tenant_id: str
    api_key: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}


@dataclass(frozen=True)
class Product:
    """The started product and who is known to it."""

    stack: Stack
    people: dict[str, Person]

    def browser(self, name: str = "") -> httpx.Client:
        """A client with the session of `name`, or of nobody. Forms need its csrftoken cookie."""
        client = httpx.Client(base_url=self.stack.url, timeout=60, headers={"Referer": self.stack.url})
        if name:
            client.get("/accounts/login/")
            token = client.cookies["csrftoken"]
            form = {"login": self.people[name].email, "password": PASSWORD, "csrfmiddlewaretoken": token}
            assert client.post("/accounts/login/", data=form).status_code == 302
        return client

    def python(self, code: str) -> str:
        """What `code` prints when `manage.py shell` runs it on the product's database."""
        return python(self.stack, code)

    @property
    def log(self) -> str:
        """All that the product's processes wrote so far."""
        return (self.stack.data / "up.log").read_text(errors="replace")


def python(running: Stack, code: str) -> str:
    environment: dict[str, Any] = {**os.environ, "PORTAL_DATA": str(running.data)}
    environment |= {"DJANGO_SETTINGS_MODULE": "tests.scripted.settings"}
    environment |= {"EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend"}  # the console is the answer
    for name in ("DATABASE_URL", "REDIS_URL"):
        environment.pop(name, None)
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def files_allowed(number: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(number, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with files_allowed(USUAL_FILES):
        running = stack.start_scripted(tmp_path_factory.mktemp("hostile"), **LITTLE_PATIENCE)
    try:
        made = json.loads(python(running, CHARACTERS.replace("PASSWORD", repr(PASSWORD))))
        yield Product(running, {name: Person(**facts) for name, facts in made.items()})
    finally:
        stack.stop(running)
