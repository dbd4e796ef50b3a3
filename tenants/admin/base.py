"""Base classes and functions of the operators' pages."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from tenants import addresses, people
from tenants.access import Actor, operator_actor
from tenants.models import (
    Tenant,
    User,
)


class ReadOnly:
    """An admin without forms, for rows that only code changes."""

    def has_add_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False

    def has_change_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False

    def has_delete_permission(self, _request: HttpRequest, _row: Any = None) -> bool:
        return False


def operator_of(request: HttpRequest, tenant: Tenant) -> Actor:
    """Returns the signed-in operator as an actor in a tenant, for its audit log."""
    assert isinstance(request.user, User)
    return operator_actor(request.user, tenant, addresses.of_request(request))


def operator_in_each_tenant(request: HttpRequest) -> people.ActorFor:
    """Returns a function that makes the signed-in operator an actor in a member's tenant."""
    return lambda member: operator_of(request, member.tenant)
