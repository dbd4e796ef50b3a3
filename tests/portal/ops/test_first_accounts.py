"""A first start makes accounts where nobody else can reach them."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import LazySettings

from portal.exposure import is_loopback
from portal.management.commands.up import create_accounts
from tenants.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data(settings: LazySettings, tmp_path: Path) -> Path:
    settings.DATA = tmp_path
    return tmp_path


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost"])
def test_on_this_machine_they_are_made(host: str, data: Path) -> None:
    create_accounts("http://127.0.0.1:8000", host)
    assert User.objects.count() == 2
    assert (data / "credentials.txt").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.7", "portal.example", "localhost.example"])
def test_where_others_reach_them_the_way_to_the_first_operator_is_said(
    host: str, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not is_loopback(host)
    create_accounts("http://portal.example", host)
    assert not User.objects.exists()
    assert list(data.iterdir()) == []
    said = "".join(capfd.readouterr())
    assert "createsuperuser" in said
    assert "DEMO_ACCOUNTS" in said


def test_anywhere_when_told_to(settings: LazySettings) -> None:
    settings.DEMO_ACCOUNTS = True
    create_accounts("http://portal.example", "0.0.0.0")
    assert User.objects.count() == 2
