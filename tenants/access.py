"""The doors: who is asking, and what they may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from tenants import scope
from tenants.models import ApiKey, Member, Role, Tenant, User

VIEW = frozenset({"recordings.view", "usage.view"})
EDIT = VIEW | {"recordings.create", "recordings.delete", "transcripts.edit"}
MANAGE = EDIT | {"keys.manage", "notices.manage", "preferences.manage", "webhooks.manage"}
PERMISSIONS: dict[str, frozenset[str]] = {
    Role.VIEWER: VIEW,
    Role.EDITOR: EDIT,
    Role.ADMIN: MANAGE,
    Role.OWNER: MANAGE,
}
KEY_PERMISSIONS = EDIT
SESSION_TENANT = "tenant"

Parameters = ParamSpec("Parameters")


@dataclass(frozen=True)
class Actor:
    """A member in the portal or a program with a key, always inside one tenant."""

    tenant: Tenant
    permissions: frozenset[str]
    member: Member | None = None
    key: ApiKey | None = None

    @property
    def user(self) -> User | None:
        return self.member.user if self.member else None

    @property
    def role(self) -> str:
        return self.member.role if self.member else ""

    def may(self, permission: str) -> bool:
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Raises PermissionDenied."""
        if not self.may(permission):
            raise PermissionDenied(_("Your role in %(tenant)s does not allow this.") % {"tenant": self.tenant})


class TenantRequest(HttpRequest):
    """A request that came through `member_required`."""

    user: User
    actor: Actor


def of_key(key: ApiKey) -> Actor:
    return Actor(tenant=key.tenant, permissions=KEY_PERMISSIONS, key=key)


def of_member(member: Member) -> Actor:
    return Actor(tenant=member.tenant, permissions=PERMISSIONS[member.role], member=member)


def memberships(user_id: int) -> list[Member]:
    """The active tenants a user belongs to, by name."""
    rows = Member.objects.filter(user_id=user_id, user__is_active=True, tenant__is_active=True)
    return list(rows.select_related("tenant", "tenant__quota", "user").order_by("tenant__name", "id"))


def of_session(user_id: int, chosen_tenant: str | None) -> Actor | None:
    """The actor of a signed-in user: in the chosen tenant, else in the first one; None without any."""
    members = memberships(user_id)
    chosen = [member for member in members if str(member.tenant_id) == chosen_tenant]
    found = chosen or members
    return of_member(found[0]) if found else None


def member_required(
    permission: str,
) -> Callable[
    [Callable[Concatenate[TenantRequest, Parameters], HttpResponseBase]],
    Callable[Concatenate[HttpRequest, Parameters], HttpResponseBase],
]:
    """Lets signed-in members with `permission` in; binds their tenant while the view runs."""

    def decorate(
        view: Callable[Concatenate[TenantRequest, Parameters], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, Parameters], HttpResponseBase]:
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, *args: Parameters.args, **kwargs: Parameters.kwargs) -> HttpResponseBase:
            assert isinstance(request.user, User)
            actor = of_session(request.user.pk, request.session.get(SESSION_TENANT))
            if actor is None:
                raise PermissionDenied(_("You are not a member of any organisation yet. Ask your administrator."))
            actor.require(permission)
            request.actor = actor  # type: ignore[attr-defined]
            with scope.bound(actor.tenant.id):
                return view(request, *args, **kwargs)  # type: ignore[arg-type]

        return guarded  # type: ignore[return-value]

    return decorate
