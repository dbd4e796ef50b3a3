"""Who is gone keeps no way in: neither a session nor a key that they made."""

from __future__ import annotations

import json

import httpx

from tests.hostile.conftest import PASSWORD, Person, Product

JOIN = """
import json
from tenants import api_keys
from tenants.models import Member, Role, Tenant, User

tenant = Tenant.objects.get(id={tenant!r})
user = User.objects.create_user("leaver@acme.example", {password!r})
Member.objects.create(tenant=tenant, user=user, role=Role.ADMIN)
_key, secret = api_keys.issue(tenant, "Key of a leaver", user)
print(json.dumps({{"id": user.pk, "secret": secret}}))
"""


def test_the_keys_of_a_deleted_person_are_refused_and_marked(product: Product) -> None:
    made = json.loads(product.python(JOIN.format(tenant=product.people["alice"].tenant_id, password=PASSWORD)))
    leaver = Person("leaver@acme.example", "", made["secret"])
    address = f"{product.stack.url}/api/v1/recordings"
    assert httpx.get(address, headers=leaver.bearer).status_code == 200

    operator = product.browser("operator")
    form = {"post": "yes", "csrfmiddlewaretoken": operator.cookies["csrftoken"]}
    assert operator.post(f"/admin/tenants/user/{made['id']}/delete/", data=form).status_code == 302

    assert httpx.get(address, headers=leaver.bearer).status_code == 401
    page = product.browser("alice").get("/keys/").text
    assert "leaver@acme.example" in page
    assert "no longer a member" in page
    assert "leaver@acme.example" not in product.browser("mallory").get("/keys/").text
