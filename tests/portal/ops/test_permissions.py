"""Being staff is not enough: the operations page and RQ's dashboard each need their permission."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from tenants.models import User
from tests.conftest import Character

pytestmark = pytest.mark.django_db
DASHBOARD = "/admin/django_rq/dashboard/"
PLACES = (
    *("", "stats.json", "stats.json/abc", "queues/0/", "queues/0/failed/", "queues/0/empty/", "workers/0/"),
    *("queues/0/1/", "queues/confirm-action/0/", "queues/actions/0/"),
)


@pytest.fixture
def stan(db: None) -> User:
    """Of the staff, without any permission."""
    user = User.objects.create_user("stan@portal.example", "correct horse")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    return User.objects.get(pk=user.pk)


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def allow(user: User, app: str, name: str) -> User:
    user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=name))
    return User.objects.get(pk=user.pk)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("place", PLACES)
def test_the_dashboard_is_closed_to_staff_without_its_permission(stan: User, place: str, method: str) -> None:
    assert getattr(client_of(stan), method)(f"{DASHBOARD}{place}").status_code in (403, 404)


def test_the_dashboard_opens_with_its_permission(stan: User, operator: Client) -> None:
    for client in (client_of(allow(stan, "django_rq", "admin")), operator):
        assert client.get(DASHBOARD).status_code == 200
        assert client.get(f"{DASHBOARD}queues/0/").status_code == 200
        assert client.get(f"{DASHBOARD}stats.json").status_code == 200


def test_nobody_else_sees_the_dashboard(alice: Character) -> None:
    for client in (Client(), client_of(alice.user)):
        for place in PLACES:
            assert client.get(f"{DASHBOARD}{place}").status_code in (302, 403, 404)


def test_the_operations_page_needs_its_permission(stan: User) -> None:
    assert client_of(stan).get(reverse("admin:operations")).status_code == 403
    assert "operations/" not in client_of(stan).get(reverse("admin:index")).content.decode()
    client = client_of(allow(stan, "transcription", "view_operations"))
    assert client.get(reverse("admin:operations")).status_code == 200
    assert "operations/" in client.get(reverse("admin:index")).content.decode()


def test_staff_without_permissions_sees_no_list(stan: User) -> None:
    for name in ("tenants_tenant", "transcription_recording", "transcription_engine"):
        assert client_of(stan).get(reverse(f"admin:{name}_changelist")).status_code == 403
