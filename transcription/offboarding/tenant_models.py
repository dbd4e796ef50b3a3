"""Finds the models whose rows belong to a tenant, by their foreign keys."""

from __future__ import annotations

from functools import cache
from graphlib import TopologicalSorter
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import QuerySet

from tenants.models import Tenant, User

Rows = type[models.Model]


@cache
def tenant_models() -> list[Rows]:
    """Returns the models with a foreign key to Tenant, each before the models that it refers to."""
    owned = [model for model in apps.get_models() if refers_to(model, Tenant)]
    graph: dict[Rows, set[Rows]] = {model: set() for model in owned}
    for model in owned:
        for field in _foreign_keys(model):
            if field.related_model in graph and field.related_model is not model:
                graph[field.related_model].add(model)
    return list(TopologicalSorter(graph).static_order())


def rows_of(model: Rows, tenant_id: object) -> QuerySet[Any]:
    """Returns a tenant's rows, whatever tenant is bound and even if they are append-only."""
    return model._base_manager.filter(tenant_id=tenant_id)


def refers_to(model: Rows, other: Rows) -> list[str]:
    """Returns the names of a model's foreign keys to `other`."""
    return [field.name for field in _foreign_keys(model) if field.related_model is other]


def is_known_elsewhere(user: User, tenant_id: object) -> bool:
    """Returns whether rows of another tenant refer to this user."""
    for model in tenant_models():
        for name in refers_to(model, User):
            if model._base_manager.filter(**{name: user}).exclude(tenant_id=tenant_id).exists():
                return True
    return False


def _foreign_keys(model: Rows) -> list[Any]:
    return [field for field in model._meta.concrete_fields if isinstance(field, models.ForeignKey)]
