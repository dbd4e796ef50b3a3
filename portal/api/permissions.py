"""Who may use an API at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tenants.access import Actor

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which itself imports its default permissions


class CallerPermission(BasePermission):
    """Lets known callers in. The domain's own functions check what each may do."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, Actor)
