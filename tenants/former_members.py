"""API keys of former members: whoever removes a member decides whether they are kept; by default they are revoked.

Keys belong to the tenant, but their makers may still know the secrets.
"""

from __future__ import annotations

from collections.abc import Iterable

from django import forms
from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants import api_keys, scope
from tenants.access import Actor
from tenants.models import ApiKey, Tenant, User


class KeyDecision(models.TextChoices):
    REVOKE = "revoke", _("Revoke them at once")
    KEEP = "keep", _("Let them go on working, as the organisation’s")


class KeyDecisionField(forms.TypedChoiceField):
    """Lets an operator choose a KeyDecision; an empty value is REVOKE."""

    def __init__(self) -> None:
        super().__init__(
            label=_("API keys of people who leave"),
            help_text=_("Of members removed, or people switched off, with this page. They may still know the secrets."),
            choices=KeyDecision.choices,
            initial=KeyDecision.REVOKE,
            required=False,
            empty_value=KeyDecision.REVOKE,
            widget=forms.RadioSelect,
        )


def tenants_with_keys_of(user: User) -> list[Tenant]:
    """Returns the tenants that the user is a member of and has made active keys in."""
    with scope.across_tenants("a person may be a member of several tenants"):
        keys = ApiKey.objects.filter(created_by=user, revoked_at=None, tenant__members__user=user)
        return list(Tenant.objects.filter(id__in=keys.values("tenant")))


def settle(actors: Iterable[Actor], user: User, decision: str) -> int:
    """Revokes or keeps the keys that `user` made in the actors' tenants, audits it, and returns their number."""
    count = 0
    for actor in actors:
        with scope.bound(actor.tenant.id):
            undecided = ApiKey.objects.filter(created_by=user, revoked_at=None, kept_at=None)
            for key_id in list(undecided.values_list("id", flat=True)):
                decide = api_keys.keep if decision == KeyDecision.KEEP else api_keys.revoke
                count += decide(actor, key_id)
    return count
