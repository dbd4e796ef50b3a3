from collections.abc import Callable

import pytest
from django.core.exceptions import PermissionDenied
from pytest_django.fixtures import DjangoAssertNumQueries

from tenants import apikeys, scope
from tenants.models import ApiKey
from tests.conftest import Character

pytestmark = pytest.mark.django_db


def test_a_key_opens_its_own_tenant(alice: Character) -> None:
    actor = apikeys.authenticate(alice.secret)
    assert actor is not None
    assert actor.tenant == alice.tenant
    assert actor.may("recordings.create")
    assert not actor.may("keys.manage")


def test_the_secret_is_not_kept(alice: Character) -> None:
    with scope.across_tenants("this test"):
        kept = ApiKey.objects.values_list("prefix", "digest", "name").get()
    assert alice.secret not in " ".join(kept)


@pytest.mark.parametrize("spoil", [lambda s: s[:-1] + ("0" if s[-1] != "0" else "1"), lambda s: s + "0", lambda s: ""])
def test_a_mistyped_key_opens_nothing(alice: Character, spoil: Callable[[str], str]) -> None:
    assert apikeys.authenticate(spoil(alice.secret)) is None


def test_a_mistyped_key_costs_no_query(db: None, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert apikeys.authenticate("wp_deadbeef_" + "x" * 51) is None


def test_a_revoked_key_opens_nothing(alice: Character, within: None) -> None:
    key = ApiKey.objects.get()
    assert apikeys.revoke(alice.actor, key.id)
    assert not apikeys.revoke(alice.actor, key.id)
    assert apikeys.authenticate(alice.secret) is None


def test_a_switched_off_tenant_is_closed(alice: Character) -> None:
    alice.tenant.is_active = False
    alice.tenant.save()
    assert apikeys.authenticate(alice.secret) is None


def test_a_viewer_revokes_nothing(bob: Character, within: None) -> None:
    with pytest.raises(PermissionDenied):
        apikeys.revoke(bob.actor, ApiKey.objects.get().id)
