"""Which tenant the running code works for.

A query on a tenant's rows without a tenant bound raises; crossing tenants is spelled out:

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
    """A tenant's rows were asked for while no tenant was bound."""


@dataclass(frozen=True)
class AllTenants:
    """Bound by code that must see every tenant's rows, with the reason why."""

    reason: str


_scope: ContextVar[UUID | AllTenants | None] = ContextVar("tenant_scope", default=None)


@contextmanager
def bound(tenant_id: UUID) -> Iterator[None]:
    """Every query inside sees this tenant's rows only."""
    if not isinstance(tenant_id, UUID):
        raise TypeError(f"A tenant's id is a UUID, not {tenant_id!r}.")
    with _bind(tenant_id):
        yield


@contextmanager
def across_tenants(reason: str) -> Iterator[None]:
    """Queries inside see every tenant's rows; `reason` is for the reader."""
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
    """Sees the bound tenant's rows; raises NoTenantBound where none is bound.

    Its model has a `tenant` foreign key.
    """

    def get_queryset(self) -> models.QuerySet[Row]:
        tenant = current()
        rows = super().get_queryset()
        return rows if isinstance(tenant, AllTenants) else rows.filter(tenant_id=tenant)
