"""What becomes of the keys of people who leave: whoever removes a person is asked, and revoking is the answer unasked.

Keys are the tenant's, and yet who made one may still know its secret.
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
    """Asks an operator. What was not answered is revoking."""

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
    """Those that the person is a member of, and made keys for that live."""
    with scope.across_tenants("a person may be a member of several tenants"):
        keys = ApiKey.objects.filter(created_by=user, revoked_at=None, tenant__members__user=user)
        return list(Tenant.objects.filter(id__in=keys.values("tenant")))


def settle(actors: Iterable[Actor], user: User, decision: str) -> int:
    """Revokes or keeps what `user` made in the actors' tenants, once they have left; how many keys. Audited."""
    count = 0
    for actor in actors:
        with scope.bound(actor.tenant.id):
            made = ApiKey.objects.filter(created_by=user, revoked_at=None, kept_at=None)
            for key_id in list(made.values_list("id", flat=True)):
                decide = api_keys.keep if decision == KeyDecision.KEEP else api_keys.revoke
                count += decide(actor, key_id)
    return count
