"""The tenant that the running code works for.

A query for a tenant's rows raises NoTenantBound without a bound tenant. Code that reads several tenants' rows says so:

    with scope.bound(tenant.id): ...
    with scope.across_tenants("sweeper"): ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from django.db import models

Row = TypeVar("Row", bound=models.Model)


class NoTenantBound(RuntimeError):
    """A tenant's rows were queried while no tenant was bound."""


@dataclass(frozen=True)
class AllTenants:
    """The scope of code that needs every tenant's rows, with the reason."""

    reason: str


_scope: ContextVar[UUID | AllTenants | None] = ContextVar("tenant_scope", default=None)


@contextmanager
def bound(tenant_id: UUID) -> Iterator[None]:
    """Limits every query inside the block to this tenant's rows."""
    if not isinstance(tenant_id, UUID):
        raise TypeError(f"A tenant's id is a UUID, not {tenant_id!r}.")
    with _bind(tenant_id):
        yield


@contextmanager
def across_tenants(reason: str) -> Iterator[None]:
    """Lets queries inside the block see every tenant's rows. `reason` documents why."""
    with _bind(AllTenants(reason)):
        yield


@contextmanager
def _bind(value: UUID | AllTenants) -> Iterator[None]:
    token = _scope.set(value)
    try:
        yield
    finally:
        _scope.reset(token)


def current() -> UUID | AllTenants:
    """Raises NoTenantBound."""
    value = _scope.get()
    if value is None:
        raise NoTenantBound("Bind a tenant with scope.bound(id), or say scope.across_tenants(why).")
    return value


class TenantManager(models.Manager[Row]):
    """Returns the bound tenant's rows of a model with a `tenant` foreign key. Raises NoTenantBound."""

    def get_queryset(self) -> models.QuerySet[Row]:
        tenant = current()
        rows = super().get_queryset()
        return rows if isinstance(tenant, AllTenants) else rows.filter(tenant_id=tenant)
