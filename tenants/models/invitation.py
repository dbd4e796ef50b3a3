"""Invitations of people into a tenant, by e-mail."""

from __future__ import annotations

import uuid
from typing import Literal

from django.db import models
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext_lazy as _

from tenants.models.member import Role
from tenants.models.tenant import Tenant
from tenants.models.user import User
from tenants.scope import TenantManager


def new_nonce() -> str:
    return get_random_string(22)


class Invitation(models.Model):
    """An invitation to become a member. Its link is derived from `nonce`; a new nonce ends earlier links."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="invitations", verbose_name=_("tenant"))
    email = models.EmailField(_("e-mail address"))
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.EDITOR)
    invited_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+", verbose_name=_("invited by"))
    inviter_name = models.CharField(_("name of who invited"), max_length=320, blank=True)
    language = models.CharField(_("language of the mail"), max_length=20)
    nonce = models.CharField(max_length=22, default=new_nonce, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"))
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    mailed_at = models.DateTimeField(_("e-mailed"), null=True, blank=True, editable=False)
    mail_attempts = models.PositiveSmallIntegerField(_("attempts at the e-mail"), default=0, editable=False)
    mail_after = models.DateTimeField(_("e-mail not before"), default=timezone.now, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ("-created_at", "email")
        constraints = (
            models.UniqueConstraint(
                fields=["tenant", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="one_open_invitation_per_address",
            ),
        )
        indexes = (
            models.Index(
                fields=["mail_after"],
                condition=models.Q(mailed_at=None, accepted_at=None, revoked_at=None),
                name="invitations_to_mail",
            ),
        )

    def __str__(self) -> str:
        return self.email

    @property
    def state(self) -> Literal["open", "expired", "accepted", "revoked"]:
        if self.accepted_at is not None:
            return "accepted"
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= timezone.now() else "open"
