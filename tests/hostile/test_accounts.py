"""Nobody takes an account: not by its address, not by guessing, not by a link."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.hostile.conftest import PASSWORD, Product

LINK = """
from portal.accounts import reset_mail
from tenants.models import User
print(reset_mail(User.objects.get(email={email!r})).body)
"""
TOLD = """
from tenants import scope
from tenants.models import AuditEntry
with scope.across_tenants("a test"):
    for one in AuditEntry.objects.filter(tenant_id={tenant!r}):
        print(one.action, one.details)
"""
PERSON = """
from tenants import api_keys
from tenants.models import Member, Tenant, User
user = User.objects.create_user({email!r}, {password!r})
Member.objects.create(tenant=Tenant.objects.get(name="Acme"), user=user, role="viewer")
"""


def guess(product: Product, email: str, password: str, address: str) -> httpx.Response:
    """Over a proxy on this machine, which is believed."""
    with product.browser() as client:
        client.get("/accounts/login/")
        form = {"login": email, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        return client.post("/accounts/login/", data=form, headers={"X-Forwarded-For": address})


@pytest.fixture(scope="module")
def carol(product: Product) -> str:
    """One more of Acme, whose password the tests change."""
    product.python(PERSON.format(email="carol@acme.example", password=PASSWORD))
    return "carol@acme.example"


def post(client: httpx.Client, path: str, **form: str) -> httpx.Response:
    client.get("/accounts/login/")
    return client.post(path, data={**form, "csrfmiddlewaretoken": client.cookies["csrftoken"]})


def test_nobody_takes_an_address_that_is_another_s_or_will_be(product: Product) -> None:
    mallory = product.browser("mallory")
    for email in (product.people["alice"].email, "future@acme.example"):
        answer = post(mallory, "/accounts/email/", email=email, action_add="")
        assert answer.status_code == 404
    for path in (
        "confirm-email/",
        "confirm-email/x/",
        "reauthenticate/",
        "password/set/",
        "login/code/",
        "phone/change/",
    ):
        assert mallory.get(f"/accounts/{path}").status_code == 404, path
    assert mallory.get("/admin/account/emailaddress/").status_code in (302, 403, 404)
    assert product.browser("operator").get("/admin/account/emailaddress/").status_code == 404


def test_failed_sign_ins_are_told_to_nobody_else(product: Product) -> None:
    guess(product, product.people["bob"].email, "guess", "198.51.100.77")
    evil = product.python(TOLD.format(tenant=product.people["mallory"].tenant_id))
    assert "sign_in_failed" not in evil
    assert "bob@acme.example" not in evil


def test_an_address_that_there_is_already_is_no_failure_of_ours(product: Product) -> None:
    operator = product.browser("operator")
    form = {"email": "ALICE@acme.example", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    answer = post(operator, "/admin/tenants/user/add/", **form)
    assert (answer.status_code, "already exists" in answer.text) == (200, True)


def test_guesses_from_many_web_addresses_don_t_keep_alice_out(product: Product) -> None:
    email = product.people["alice"].email
    for number in range(24):
        guess(product, email, "guess", f"198.51.100.{number % 3}")
    assert "Too many" in guess(product, email, PASSWORD, "198.51.100.1").text
    assert guess(product, email, PASSWORD, "203.0.113.9").status_code == 302


def test_a_link_is_of_the_portal_and_goes_to_the_account_s_address_only(product: Product, carol: str) -> None:
    answers = []
    for email in (carol, "nobody@acme.example"):
        with product.browser() as client:
            client.get("/accounts/login/")
            form = {"email": email, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
            headers = {"Host": f"localhost:{httpx.URL(product.stack.url).port}", "X-Forwarded-Host": "evil.example"}
            headers["Referer"] = f"http://{headers['Host']}/"
            answer = client.post("/accounts/password/reset/", data=form, headers=headers)
            answers.append((answer.status_code, answer.headers["Location"]))
    assert answers == [(302, "/accounts/password/reset/done/")] * 2
    mails = [line for line in product.log.splitlines() if line.startswith("To: ")]
    assert set(mails) <= {f"To: {carol}"}
    for link in re.findall(r"https?://\S+/accounts/password/reset/key/", product.log):
        assert link.startswith(product.stack.url)


def test_the_key_of_a_link_is_in_no_log_and_no_referrer(product: Product, carol: str) -> None:
    [link] = re.findall(r"http://\S+/password/reset/key/\S+", product.python(LINK.format(email=carol)))
    key = link.rstrip("/").rpartition("-")[2]
    path = httpx.URL(link).path
    with product.browser() as client:
        answer = client.get(path)
        assert (answer.status_code, key in answer.headers["Location"]) == (302, False)
        assert answer.headers["Referrer-Policy"] == "strict-origin"
        page = client.get(answer.headers["Location"]).text
        assert key not in page
        new = "a new and long password"
        saved = post(client, answer.headers["Location"], password1=new, password2=new)
        assert saved.headers["Location"] == "/accounts/password/reset/key/done/"
        assert "no longer works" in client.get(path).text
    assert guess(product, carol, new, "203.0.113.10").status_code == 302
    assert key not in product.log
    told = product.python(TOLD.format(tenant=product.people["alice"].tenant_id))
    assert "member.password_changed {'email': 'carol@acme.example', 'how': 'mail'}" in told
    assert "carol" not in product.python(TOLD.format(tenant=product.people["mallory"].tenant_id))
