import pytest

from tenants import scope
from tests.conftest import Character
from transcription.models import Recording

pytestmark = pytest.mark.django_db


def test_a_query_without_a_tenant_raises() -> None:
    with pytest.raises(scope.NoTenantBound):
        Recording.objects.count()


def test_related_rows_ask_for_a_tenant_too(alice: Character) -> None:
    with pytest.raises(scope.NoTenantBound):
        alice.tenant.recordings.count()


def test_nothing_but_a_tenants_id_can_be_bound() -> None:
    with pytest.raises(TypeError), scope.bound(None):  # type: ignore[arg-type]
        pass


def test_mallory_sees_nothing_of_acme(alice: Character, mallory: Character) -> None:
    with scope.bound(alice.tenant.id):
        Recording.objects.create(tenant=alice.tenant, name="Board", bytes=1, duration_seconds=1.0)
    with scope.bound(mallory.tenant.id):
        assert not Recording.objects.exists()
    with scope.across_tenants("this test"):
        assert Recording.objects.count() == 1
