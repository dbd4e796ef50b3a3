"""What is left of a session that ended, and what staff without permissions see, at the started product."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.hostile.conftest import PASSWORD, Product

STAFF = f"""
from tenants.models import User
user = User.objects.create_user("stan@portal.example", {PASSWORD!r})
User.objects.filter(pk=user.pk).update(is_staff=True)
"""


@pytest.fixture
def recording(product: Product, fox: Path) -> str:
    """The id of one of Alice's."""
    with closing(product.browser()) as client:
        file = {"file": ("fox.wav", fox.read_bytes())}
        answer = client.post("/api/v1/recordings", files=file, headers=product.people["alice"].bearer)
    assert answer.status_code == 201
    return str(answer.json()["id"])


def sign_out(client: httpx.Client) -> None:
    client.post("/accounts/logout/", data={"csrfmiddlewaretoken": client.cookies["csrftoken"]})


def test_a_session_that_ended_opens_nothing_from_memory_either(product: Product, recording: str) -> None:
    pages = ("/recordings/", f"/recordings/{recording}/", f"/recordings/{recording}/media", "/keys/", "/usage/")
    with closing(product.browser("alice")) as alice:
        session = alice.cookies["sessionid"]
        for page in pages:
            answer = alice.get(page)
            assert (answer.status_code, "no-store" in answer.headers["cache-control"]) == (200, True), page
        ranged = alice.get(pages[2], headers={"Range": "bytes=0-9"})
        assert (ranged.status_code, "no-store" in ranged.headers["cache-control"]) == (206, True)
        sign_out(alice)
    with closing(product.browser()) as thief:
        thief.cookies["sessionid"] = session
        for page in pages:
            answer = thief.get(page, headers={"Range": "bytes=0-9"})
            assert answer.status_code == 302, page
            assert urlsplit(answer.headers["location"]).path == "/accounts/login/"
            assert "no-store" in answer.headers["cache-control"]


def test_answers_to_programs_are_for_them_alone(product: Product, recording: str) -> None:
    with closing(product.browser()) as client:
        for path in ("/v1/models", "/api/v1/recordings", f"/api/v1/recordings/{recording}"):
            kept = client.get(path, headers=product.people["alice"].bearer).headers["cache-control"]
            assert "private" in kept
            assert "no-store" in kept or "no-cache" in kept


def test_every_page_says_what_it_may_use(product: Product) -> None:
    with closing(product.browser("alice")) as alice:
        for path in ("/recordings/", "/accounts/login/", "/v1/models", "/nowhere/"):
            policy = alice.get(path).headers["permissions-policy"]
            assert "microphone=(self)" in policy
            assert "camera=()" in policy


def test_staff_without_permissions_is_no_operator(product: Product) -> None:
    product.python(STAFF)
    with closing(product.browser()) as stan:
        stan.get("/accounts/login/")
        form = {"login": "stan@portal.example", "password": PASSWORD, "csrfmiddlewaretoken": stan.cookies["csrftoken"]}
        assert stan.post("/accounts/login/", data=form).status_code == 302
        assert stan.get("/admin/").status_code == 200
        dashboard = "/admin/django_rq/dashboard/"
        for path in ("/admin/operations/", dashboard, f"{dashboard}stats.json", f"{dashboard}queues/0/"):
            assert stan.get(path).status_code == 403, path
        for path in (f"{dashboard}queues/0/empty/", f"{dashboard}queues/actions/0/"):
            form = {"csrfmiddlewaretoken": stan.cookies["csrftoken"], "action": "delete"}
            assert stan.post(path, data=form).status_code == 403, path
    with closing(product.browser("operator")) as operator:
        for path in ("/admin/operations/", dashboard, f"{dashboard}stats.json"):
            assert operator.get(path).status_code == 200, path
    for name in ("alice", ""):
        with closing(product.browser(name)) as client:
            for path in ("/admin/operations/", dashboard, f"{dashboard}stats.json", f"{dashboard}metrics"):
                assert client.get(path).status_code in (302, 403, 404), path
