"""Who removes or switches off a person says what becomes of the keys that they made; unasked, they are revoked."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tenants import api_keys, scope
from tenants.models import ApiKey, AuditEntry, Member, Role, Tenant, User
from tests.conftest import Character, create_member

pytestmark = pytest.mark.django_db


@pytest.fixture
def adam(alice: Character) -> Character:
    """An admin of Acme."""
    return create_member(alice.tenant, "adam@acme.example", Role.ADMIN)


def form_of(page: Any) -> dict[str, Any]:
    """What the admin's page would send if nothing was changed."""
    context = page.context
    forms = [context["adminform"].form]
    for one in context["inline_admin_formsets"]:
        forms += [one.formset.management_form, *one.formset.initial_forms]
    filled = {f"{form.add_prefix(name)}": form[name].value() for form in forms for name in form.fields}
    return {name: value for name, value in filled.items() if value is not None and value is not False}


def remove(operator: Client, member: Member, **answer: str) -> None:
    address = reverse("admin:tenants_tenant_change", args=[member.tenant_id])
    form = form_of(operator.get(address))
    ids = {name: value for name, value in form.items() if re.fullmatch(r"members-\d+-id", name)}
    [prefix] = [name.removesuffix("-id") for name, value in ids.items() if value == member.pk]
    done = operator.post(address, form | {f"{prefix}-DELETE": "on"} | answer)
    assert done.status_code == 302, done.content.decode()
    assert not Member.objects.filter(pk=member.pk).exists()


def switch_off(operator: Client, person: User, **answer: str) -> None:
    address = reverse("admin:tenants_user_change", args=[person.pk])
    form = form_of(operator.get(address)) | {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    form.pop("is_active")
    done = operator.post(address, form | answer)
    assert done.status_code == 302, done.content.decode()


def actions(tenant: Tenant) -> list[str]:
    with scope.bound(tenant.id):
        return list(AuditEntry.objects.filter(action__startswith="key.").values_list("action", flat=True))


def test_the_operator_is_asked(operator: Client, adam: Character) -> None:
    for address in ("tenants_tenant_change", "tenants_user_change"):
        key = adam.tenant.pk if "tenant_" in address else adam.user.pk
        page = operator.get(reverse(f"admin:{address}", args=[key])).content.decode()
        assert 'value="revoke"' in page
        assert 'value="keep"' in page


def test_unasked_the_keys_of_a_removed_member_are_revoked(operator: Client, alice: Character, adam: Character) -> None:
    remove(operator, adam.member)
    assert api_keys.authenticate(adam.secret) is None
    assert api_keys.authenticate(alice.secret)
    assert actions(adam.tenant) == ["key.revoked"]


def test_kept_keys_go_on_and_are_marked(operator: Client, adam: Character) -> None:
    remove(operator, adam.member, keys_of_leavers="keep")
    assert api_keys.authenticate(adam.secret)
    assert actions(adam.tenant) == ["key.kept"]
    page = operator.get(reverse("admin:tenants_apikey_changelist")).content.decode()
    assert "adam@acme.example (no longer a member)" in page


@pytest.mark.parametrize(("answer", "opens"), [({}, False), ({"keys_of_leavers": "keep"}, True)])
def test_the_same_is_asked_of_somebody_who_is_switched_off(
    operator: Client, alice: Character, adam: Character, answer: dict[str, str], opens: bool
) -> None:
    switch_off(operator, adam.user, **answer)
    assert (api_keys.authenticate(adam.secret) is not None) is opens
    assert actions(adam.tenant) == ["key.kept" if opens else "key.revoked"]
    assert api_keys.authenticate(alice.secret)


def test_with_a_deleted_person_their_keys_end_and_their_name_stays(operator: Client, adam: Character) -> None:
    operator.post(reverse("admin:tenants_user_delete", args=[adam.user.pk]), {"post": "yes"})
    assert not User.objects.filter(pk=adam.user.pk).exists()
    assert api_keys.authenticate(adam.secret) is None
    with scope.bound(adam.tenant.id):
        key = ApiKey.objects.get(made_by="adam@acme.example")
    assert key.maker == "gone"


def test_another_tenants_keys_are_none_of_this(operator: Client, adam: Character, mallory: Character) -> None:
    Member.objects.create(tenant=mallory.tenant, user=adam.user, role=Role.ADMIN)
    _key, elsewhere = api_keys.issue(mallory.tenant, "Adam's other one", adam.user)
    remove(operator, adam.member)
    assert api_keys.authenticate(adam.secret) is None
    assert api_keys.authenticate(elsewhere)


def test_a_key_that_an_operator_issued_is_not_left_behind(olivia: User, alice: Character) -> None:
    key, _secret = api_keys.issue(alice.tenant, "From operations", olivia)
    assert key.maker == "operator"
    assert not key.is_left_behind
