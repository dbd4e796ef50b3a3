"""What a session opens: a person's memberships, and the actor that a request of it becomes."""

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
from tenants.access import Actor, member_actor, support_actor
from tenants.models import AllowedDomain, Member, Role, SupportVisit, Tenant, User

MAY_ACT = "tenants.add_supportvisit"
"""The operators' permission to act for members."""

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
