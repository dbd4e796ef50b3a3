"""Visits of operators who act for a member, to help them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.models.member import Member
from tenants.models.tenant import Tenant
from tenants.models.user import User
from tenants.scope import TenantManager


class SupportVisit(models.Model):
    """An operator acts for a member, from one session, for a while. Changed only by tenants.support.

    going on ──end, until, or the tenant bars support──▶ ended
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    member = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+", verbose_name=_("member"))
    member_email = models.CharField(_("for"), max_length=254)
    operator = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+", verbose_name=_("operator"))
    operator_email = models.CharField(_("operator’s address"), max_length=254)
    reason = models.CharField(_("reason"), max_length=200)
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    until = models.DateTimeField(_("until"))
    ended_at = models.DateTimeField(_("ended"), null=True)

    objects = TenantManager()

    class Meta:
        verbose_name = _("support visit")
        verbose_name_plural = _("support visits")
        ordering = ("-started_at",)
        indexes = (models.Index(fields=["until"], name="support_going_on", condition=Q(ended_at=None)),)

    def __str__(self) -> str:
        return f"{self.operator_email} → {self.member_email}"
