"""Second factors of people: rows of allauth.mfa. Who has one, who needs one, and since when.

A session of somebody who has one has passed it, or is the one that set it up: with the first factor all others end.
tenants.factor_changes audits and mails what changes.
"""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from tenants.models import Member, User
from tenants.throttle import Limit

TYPES = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""Recovery codes are none by themselves: they go with the last of these."""

GUESSES = Limit("refused second factors of an account", 5, 300)
GUESSES_OF_A_DAY = Limit("refused second factors of an account in a day", 50, 86_400)
FORGOTTEN = Limit("new passwords with which guesses are forgotten", 1, 86_400)


def factors_of(user_id: int) -> QuerySet[Authenticator]:
    """Returns a person's second factors, without the recovery codes, the oldest first."""
    rows: QuerySet[Authenticator] = Authenticator.objects.filter(user_id=user_id, type__in=TYPES)
    return rows.order_by("created_at", "id")


def has_one(user_id: int) -> bool:
    return factors_of(user_id).exists()


def with_factors(rows: QuerySet[Member]) -> QuerySet[Member]:
    """Adds to each member whether they have a second factor."""
    return rows.annotate(has_factor=Exists(Authenticator.objects.filter(user=OuterRef("user"), type__in=TYPES)))


def people_with_factors(rows: QuerySet[User]) -> QuerySet[User]:
    """Adds to each person whether they have a second factor."""
    return rows.annotate(has_factor=Exists(Authenticator.objects.filter(user=OuterRef("pk"), type__in=TYPES)))


def who_have_one(user_ids: set[int]) -> set[int]:
    rows = Authenticator.objects.filter(user_id__in=user_ids, type__in=TYPES)
    return set(rows.values_list("user_id", flat=True))


def is_missing(member: Member) -> bool:
    """Returns whether this member's tenant requires a second factor by now, and they have none."""
    required_from = member.tenant.second_factor_from
    return required_from is not None and required_from <= timezone.now() and not has_one(member.user_id)


def is_missing_for_operator(user: User) -> bool:
    return bool(settings.OPERATOR_SECOND_FACTOR) and user.is_staff and not has_one(user.pk)


def requiring(user: User) -> list[Member]:
    """Returns the memberships of active tenants that require a second factor, now or from a day to come."""
    rows = Member.objects.filter(user=user, tenant__is_active=True, tenant__second_factor_from__isnull=False)
    return list(rows.select_related("tenant").order_by("tenant__second_factor_from", "id"))


def forget_guesses(user: User) -> None:
    """Lets somebody answer at once again, in whose name others guessed."""
    for limit in (GUESSES, GUESSES_OF_A_DAY):
        limit.forget(str(user.pk))


def forget_guesses_once(user: User) -> None:
    """The same with a new password, which whoever guessed doesn't know: once a day, or mails would buy guesses."""
    if FORGOTTEN.take(str(user.pk)):
        forget_guesses(user)
