"""Actors, their permissions, and how a request, a session or a key becomes an actor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypedDict
from uuid import UUID

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.core.exceptions import PermissionDenied
from django.db.models import CharField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import addresses, scope, second_factors
from tenants.models import AllowedDomain, ApiKey, DirectoryToken, KeyScope, Member, Role, SupportVisit, Tenant, User

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

MAY_ACT = "tenants.add_supportvisit"
"""The operators' permission to act for members."""

SCOPES: dict[str, frozenset[str]] = {KeyScope.READ: VIEW, KeyScope.WRITE: EDIT, KeyScope.ADMIN: MANAGE}
WITHIN_FOLDERS = EDIT - {"folders.create"}
"""What a key may do at most that is limited to folders."""
BEYOND_FOLDERS = MANAGE - WITHIN_FOLDERS

SESSION_TENANT = "tenant"
SIGNED_BY = "signed_by"
"""In the session of whom a tenant's own provider signed in: its SignedBy. It opens that tenant and nothing else."""
SIGNED_UNTIL = "signed_until"
"""Beside it in a sign-in: the moment at which the provider's own session ends, if it says so."""

SUPPORT = "support"
"""In the session of an operator who acts for a member: the id of the SupportVisit."""

PAGE_TENANT_HEADER = "X-Page-Tenant"
PAGE_TENANT_FIELD = "page_tenant"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class InsufficientScope(PermissionDenied):
    """The key has the scope `has`; the action needs the scope `needed`."""

    def __init__(self, has: str, needed: str) -> None:
        super().__init__(
            _("This key has the scope “%(has)s”. This needs the scope “%(needed)s”.") % {"has": has, "needed": needed}
        )
        self.has, self.needed = has, needed


class SignedBy(TypedDict):
    """Whose provider signed somebody in, by which tie, and with which settings (IdentityProvider.generation).

    `factor`: it asked for a second factor, too, as far as its tenant says.
    """

    tenant: str
    generation: str
    identity: int
    factor: bool


NOBODY = SignedBy(tenant=str(UUID(int=0)), generation=str(UUID(int=0)), identity=0, factor=False)
PROVIDER_BACKEND = "portal.accounts.ProviderBackend"
"""By which sessions are marked, too, that a provider signed: a version that doesn't know them ends them."""


class NotSignedIn(Exception):
    """The session has no signed-in user."""


class TenantClosed(PermissionDenied):
    """The tenant does not let one of its members in as they come."""


class AddressRefused(TenantClosed):
    """The tenant lets people in from some addresses, and the member comes from another one."""

    def __init__(self, member: Member, address: str) -> None:
        super().__init__(
            _(
                "%(tenant)s lets people in from some networks only, and %(address)s is in none of them. Go on from one "
                "of them, or ask an owner of %(tenant)s to allow your address."
            )
            % {"tenant": member.tenant, "address": address or _("an unknown address")}
        )
        self.member, self.address = member, address


class SecondFactorMissing(TenantClosed):
    """The tenant requires a second factor of its members, and this one has none."""

    def __init__(self, tenant: Tenant) -> None:
        super().__init__(
            _("%(tenant)s requires two-factor authentication. Set it up in your account first.") % {"tenant": tenant}
        )


class TenantMismatch(Exception):
    """The page was rendered for another tenant than the session's current one: another tab switched it.

    `page_tenant` is None if the page names none or the user is no longer its member.
    """

    def __init__(self, page_tenant: Tenant | None, session_tenant: Tenant) -> None:
        if page_tenant is None:
            message = _("It is not known which organisation this page belongs to. Reload the page, then try again.")
        else:
            message = _(
                "This page belongs to %(page)s, but you work in %(now)s now. Switch to %(page)s, then try again."
            )
        super().__init__(message % {"page": page_tenant, "now": session_tenant})
        self.page_tenant, self.session_tenant = page_tenant, session_tenant


@dataclass(frozen=True)
class Page:
    """The page that sent a request: the tenant it was rendered for, and whether the request writes."""

    tenant_id: str = ""
    writes: bool = False

    @classmethod
    def of_request(cls, request: HttpRequest) -> Page:
        """Reads the form field that the tag `form_fields` writes, or the header that `pageHeaders` of page.js sends."""
        writes = request.method not in SAFE_METHODS
        carried = request.headers.get(PAGE_TENANT_HEADER) or (request.POST.get(PAGE_TENANT_FIELD) if writes else "")
        return cls(carried or "", writes)


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


def memberships(user_id: int) -> list[Member]:
    """Returns an active user's memberships of active tenants, ordered by the tenants' names."""
    return list(_memberships().filter(user_id=user_id))


def reachable(user_id: int, session: Mapping[str, Any]) -> list[Member]:
    """Returns those memberships that a session opens.

    Whom a tenant's provider signed in reaches that tenant alone, and only as long as the provider would sign them in
    again. Whoever signed in without it reaches no tenant that requires its provider of their address; its owners do.
    An operator who acts for a member reaches that member's tenant alone.
    """
    visit = visit_of(user_id, session)
    return _reachable(user_id, session) if visit is None else _visited(visit)


def _visited(visit: SupportVisit) -> list[Member]:
    return [visit.member] if visit.member is not None else []


def _reachable(user_id: int, session: Mapping[str, Any]) -> list[Member]:
    signed_by, rows = signed_by_of(session), _memberships().filter(user_id=user_id)
    if signed_by is not None:
        tie = {"identities__id": signed_by["identity"], "identities__provider__generation": signed_by["generation"]}
        return list(_signed_in(rows, tenant_id=signed_by["tenant"], **tie)) if settings.SINGLE_SIGN_ON else []
    return list(rows.exclude(_needs_provider(), ~Q(role=Role.OWNER)) if settings.SINGLE_SIGN_ON else rows)


def _needs_provider() -> Exists:
    return _has_domain(tenant__identity_provider__is_enabled=True, tenant__identity_provider__is_required=True)


def own_members(user_ids: set[int], tenant_ids: set[UUID]) -> list[Member]:
    """Returns which of these memberships people open who signed in themselves, and act for nobody."""
    people = User.objects.filter(is_active=True).in_bulk(user_ids)
    tenants = Tenant.objects.filter(is_active=True).select_related("quota").in_bulk(tenant_ids)
    rows = Member.objects.filter(user_id__in=people, tenant_id__in=tenants).order_by()
    members = list(rows.exclude(_needs_provider(), ~Q(role=Role.OWNER)) if settings.SINGLE_SIGN_ON else rows)
    for member in members:
        member.user, member.tenant = people[member.user_id], tenants[member.tenant_id]
    return members


def tied_members(identities: set[int]) -> dict[tuple[int, str], Member]:
    """Returns the memberships that providers' words open, if they still hold, by SignedBy's identity and generation."""
    if not identities or not settings.SINGLE_SIGN_ON:
        return {}
    rows = _signed_in(_memberships(), identities__id__in=identities)
    rows = rows.annotate(tie=F("identities__id"), generation=F("identities__provider__generation"))
    return {(row.tie, str(row.generation)): row for row in rows.order_by()}


def visit_of(user_id: int, session: Mapping[str, Any]) -> SupportVisit | None:
    """Returns the visit by which a session acts for a member, as long as everything still allows it."""
    visit_id = session.get(SUPPORT)
    if visit_id is None or signed_by_of(session) is not None:
        return None
    with scope.across_tenants("operators visit any tenant"):
        visit = with_its_people(SupportVisit.objects.filter(id=visit_id, operator=user_id, ended_at=None)).first()
    return visit if visit is not None and may_go_on(visit) else None


def with_its_people(rows: QuerySet[SupportVisit]) -> QuerySet[SupportVisit]:
    return rows.select_related("tenant", "member__tenant__quota", "member__user", "operator")


def may_go_on(visit: SupportVisit) -> bool:
    """Returns whether everything that let a visit begin is still so, and its time is not over."""
    member, operator = visit.member, visit.operator
    if member is None or operator is None or visit.until <= timezone.now():
        return False
    is_operator = operator.is_active and operator.is_staff and operator.has_perm(MAY_ACT)
    is_wanted = visit.tenant.is_active and not visit.tenant.bars_support and member.user.is_active
    is_of_members = not member.user.is_staff and not member.user.is_superuser
    return is_operator and is_wanted and is_of_members and second_factors.has_one(operator.pk)


def signed_by_of(session: Mapping[str, Any]) -> SignedBy | None:
    """Returns who signed in the person of a session; None for themselves, NOBODY where it says too little."""
    signed_by: SignedBy | None = session.get(SIGNED_BY)
    by_provider = session.get(BACKEND_SESSION_KEY) == PROVIDER_BACKEND
    if not by_provider and signed_by is None:
        return None
    return signed_by if by_provider and signed_by and signed_by.keys() == NOBODY.keys() else NOBODY


def is_over(user_id: int, session: Mapping[str, Any]) -> bool:
    """Returns whether a provider signed somebody in who reaches nothing by it any more."""
    return signed_by_of(session) is not None and not reachable(user_id, session)


def lets_in(tenant: Tenant, address: str) -> bool:
    """Returns whether people may work in a tenant from an address."""
    return not tenant.people_addresses or addresses.cover(tenant.people_addresses, address)


def require_some_tenant(user: User, session: Mapping[str, Any], address: str) -> None:
    """Raises AddressRefused for a member whom no tenant lets in from an address. Operators have other doors."""
    members = reachable(user.pk, session)
    if members and not user.is_staff and not any(lets_in(member.tenant, address) for member in members):
        raise AddressRefused(members[0], address)


def session_actor(
    user_id: int, session: Mapping[str, Any], address: str = "", page: Page | None = None, tenant_id: str | None = None
) -> Actor | None:
    """Returns the actor of a signed-in user in the tenant that the session chose, else in the first one.

    The first is one that lets the `address` in, if any does. With `tenant_id` it is the one in that tenant; None
    without a membership. Raises TenantMismatch if `page` was rendered for another tenant, or writes without naming one
    of several, AddressRefused and SecondFactorMissing. An operator who acts for a member comes from anywhere.
    """
    visit = visit_of(user_id, session)
    members = _reachable(user_id, session) if visit is None else _visited(visit)
    wanted = tenant_id or session.get(SESSION_TENANT)
    chosen = [member for member in members if str(member.tenant_id) == wanted]
    anywhere = sorted(members, key=lambda member: not lets_in(member.tenant, address))  # keeps the order otherwise
    candidates = chosen or ([] if tenant_id else anywhere)
    if candidates and page is not None:
        _check_page(page, candidates[0].tenant, members)
    if candidates and visit is not None:
        return support_actor(visit, address)
    if candidates and not lets_in(candidates[0].tenant, address):
        raise AddressRefused(candidates[0], address)
    signed_by = signed_by_of(session)
    if candidates and not (signed_by and signed_by["factor"]) and second_factors.is_missing(candidates[0]):
        raise SecondFactorMissing(candidates[0].tenant)
    return replace(member_actor(candidates[0], address), reachable=tuple(members)) if candidates else None


def _memberships() -> QuerySet[Member]:
    rows = Member.objects.filter(user__is_active=True, tenant__is_active=True)
    return rows.select_related("tenant", "tenant__quota", "user").order_by("tenant__name", "id")


def _signed_in(rows: QuerySet[Member], **ties: object) -> QuerySet[Member]:
    """Returns the memberships that a provider's word opens by `ties`, if it still holds: it does for no operator."""
    return rows.filter(
        _has_domain(),
        identities__provider__is_enabled=True,
        user__is_staff=False,
        user__is_superuser=False,
        **ties,
    )


def _has_domain(**conditions: bool) -> Exists:
    """Selects members for whose addresses their tenant's provider speaks."""
    with scope.across_tenants("a person may be a member of several tenants"):
        rows = AllowedDomain.objects.filter(tenant=OuterRef("tenant"), by_provider=True, **conditions)
        rows = rows.annotate(email=ExpressionWrapper(OuterRef("user__email"), output_field=CharField()))
        return Exists(rows.filter(email__endswith=Concat(Value("@"), "domain")))


def _check_page(page: Page, tenant: Tenant, members: list[Member]) -> None:
    """Raises TenantMismatch. A page that names no tenant is accepted from a user with one membership."""
    if page.tenant_id == str(tenant.id) or (not page.tenant_id and not (page.writes and len(members) > 1)):
        return
    drawn_for = [member.tenant for member in members if str(member.tenant_id) == page.tenant_id]
    raise TenantMismatch(drawn_for[0] if drawn_for else None, tenant)
