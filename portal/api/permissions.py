from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tenants.access import Actor

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which itself imports its default permissions


class KeyPermission(BasePermission):
    """A live key is needed; what it may do, the doors of the domain decide."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, Actor)
