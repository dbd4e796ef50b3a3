"""Actors and their permissions."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from tenants.models import ApiKey, DirectoryToken, KeyScope, Member, Role, SupportVisit, Tenant, User

VIEW = frozenset({"recordings.view", "usage.view"})
COMMENT = frozenset({"comments.write"})
EDIT = (
    VIEW
    | COMMENT
    | {"recordings.create", "recordings.delete", "recordings.erase"}
    | {"transcripts.edit", "shares.create", "folders.create"}
)
MANAGE = EDIT | {
    *(
        "folders.manage",
        "holds.manage",
        "keys.manage",
        "notices.manage",
        "preferences.manage",
        "rules.manage",
        "shares.manage",
        "webhooks.manage",
        "audit.view",
    ),
}
SEE_PEOPLE = frozenset({"people.view"})
MANAGE_PEOPLE = SEE_PEOPLE | {"people.manage"}
OWN = MANAGE | MANAGE_PEOPLE | {"owners.manage"}
# People manage people: no key does, whatever its scope.
PERMISSIONS: dict[str, frozenset[str]] = {
    Role.VIEWER: VIEW | COMMENT | SEE_PEOPLE,
    Role.EDITOR: EDIT | SEE_PEOPLE,
    Role.ADMIN: MANAGE | MANAGE_PEOPLE,
    Role.OWNER: OWN,
}
WITHHELD = frozenset(
    (
        *("comments.write", "holds.manage", "keys.manage", "owners.manage", "people.manage"),
        *("recordings.erase", "rules.manage", "shares.create", "shares.manage", "webhooks.manage"),
    )
)
"""What an operator who acts for a member may not do: ways in, secrets, who is who, words in the member's name, what
nobody can undo, and what goes on without them."""


SCOPES: dict[str, frozenset[str]] = {KeyScope.READ: VIEW, KeyScope.WRITE: EDIT, KeyScope.ADMIN: MANAGE}
WITHIN_FOLDERS = EDIT - {"folders.create"}
"""What a key may do at most that is limited to folders."""
BEYOND_FOLDERS = MANAGE - WITHIN_FOLDERS


class InsufficientScope(PermissionDenied):
    """The key has the scope `has`; the action needs the scope `needed`."""

    def __init__(self, has: str, needed: str) -> None:
        super().__init__(
            _("This key has the scope “%(has)s”. This needs the scope “%(needed)s”.") % {"has": has, "needed": needed}
        )
        self.has, self.needed = has, needed


@dataclass(frozen=True)
class Guest:
    """Who writes by a share link, without an account: of the tenant they see nothing but its recording.

    `link` and `recording` are ids, `visit` is the same in all that is written in one visit. `name` is the one that they
    gave, `full_name` says by which link they came, too; `visitor` is what their address is called in the link's list.
    """

    link: UUID
    recording: UUID
    visit: UUID
    name: str
    full_name: str
    visitor: str = ""


@dataclass(frozen=True)
class Actor:
    """A member, a program with a key, a directory, a guest, an operator or the system, acting inside one tenant.

    `address` is the client's, in the form of tenants.addresses; empty if unknown. `reachable` are the memberships that
    a person's session opens, `member` among them. `secret_prefix` identifies which of the key's secrets authenticated
    the program. A stranger is unauthenticated and has no permissions. `folder` is the name of the one for which a
    member's permissions were narrowed. With a member and an operator it is the operator who acts, for the member,
    during a `visit`.
    """

    tenant: Tenant
    permissions: frozenset[str]
    member: Member | None = None
    key: ApiKey | None = None
    reachable: tuple[Member, ...] = ()
    secret_prefix: str = ""
    address: str = ""
    operator: User | None = None
    is_stranger: bool = False
    directory: DirectoryToken | None = None
    folder: str = ""
    visit: SupportVisit | None = None
    guest: Guest | None = None

    @property
    def user(self) -> User | None:
        return self.member.user if self.member else None

    @property
    def person(self) -> User | None:
        """Whose deed it is: the operator's where one acts for a member."""
        return self.operator or self.user

    @property
    def name(self) -> str:
        """The member's e-mail address, the key's or guest's name; empty for others.

        It says where support acts for a member.
        """
        if self.is_support:
            assert self.member is not None
            return _("%(member)s (support)") % {"member": self.member.user.email}
        if self.guest is not None:
            return self.guest.full_name
        return self.member.user.email if self.member else self.key.name if self.key else ""

    @property
    def role(self) -> str:
        return self.member.role if self.member else ""

    @property
    def is_support(self) -> bool:
        """Whether an operator acts for the member."""
        return self.operator is not None and self.member is not None

    def require_in_person(self) -> None:
        """Raises PermissionDenied for an operator who acts for a member: this is the member's alone."""
        if self.is_support:
            raise PermissionDenied(_("Only the member may do this, not an operator who acts for them."))

    def may(self, permission: str) -> bool:
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Raises PermissionDenied, or InsufficientScope if a wider scope would allow a key to do it."""
        if self.may(permission):
            return
        if self.key is not None and self.key.folders and permission in SCOPES[self.key.scope] | BEYOND_FOLDERS:
            raise PermissionDenied(_("This key is limited to some folders. This is done for the whole organisation."))
        wider = [scope for scope, permissions in SCOPES.items() if permission in permissions]
        if self.key is not None and wider:
            raise InsufficientScope(self.key.scope, wider[0])
        if self.folder:
            message = _("Your role in the folder “%(folder)s” does not allow this.")
            raise PermissionDenied(message % {"folder": self.folder})
        raise PermissionDenied(_("Your role in %(tenant)s does not allow this.") % {"tenant": self.tenant})


def key_actor(key: ApiKey, secret_prefix: str, address: str = "") -> Actor:
    """Returns the actor of a key. One that is limited to folders manages nothing, as that is for the whole tenant."""
    permissions = SCOPES[key.scope] & WITHIN_FOLDERS if key.folders else SCOPES[key.scope]
    return Actor(tenant=key.tenant, permissions=permissions, key=key, secret_prefix=secret_prefix, address=address)


def member_actor(member: Member, address: str = "") -> Actor:
    return Actor(tenant=member.tenant, permissions=PERMISSIONS[member.role], member=member, address=address)


def support_actor(visit: SupportVisit, address: str = "") -> Actor:
    """Returns the actor of an operator who acts for a member; the portal itself once either's account is gone."""
    member, operator = visit.member, visit.operator
    if member is None or operator is None:
        return system_actor(visit.tenant)
    permissions = PERMISSIONS[member.role] - WITHHELD
    return Actor(visit.tenant, permissions, member, address=address, operator=operator, visit=visit)


def directory_actor(token: DirectoryToken, address: str = "") -> Actor:
    """Returns the actor of a tenant's directory, which manages its people and nothing else."""
    permissions = MANAGE_PEOPLE | {"owners.manage"}
    return Actor(tenant=token.tenant, permissions=permissions, directory=token, address=address)


def guest_actor(tenant: Tenant, guest: Guest, permissions: frozenset[str]) -> Actor:
    """Returns the actor of who writes by a share link; their address is not kept."""
    return Actor(tenant=tenant, permissions=permissions, guest=guest)


def operator_actor(user: User, tenant: Tenant, address: str = "") -> Actor:
    """Returns the actor of an operator who works in the admin on a tenant's behalf."""
    return Actor(tenant=tenant, permissions=OWN, operator=user, address=address)


def stranger_actor(tenant: Tenant, address: str = "") -> Actor:
    """Returns the actor of an unauthenticated client, for the audit log."""
    return Actor(tenant=tenant, permissions=frozenset(), address=address, is_stranger=True)


def system_actor(tenant: Tenant) -> Actor:
    """Returns the actor of the portal itself, or of a management command."""
    return Actor(tenant=tenant, permissions=frozenset())
