"""Tickets for WebSockets: a program's key must not stand in an address."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models import ApiKey, Tenant
from tenants.scope import TenantManager


class SocketTicket(models.Model):
    """Opens one WebSocket, once, for the key that asked for it. Only its digest is kept.

    It expires with the secret that it was asked for with.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    api_key = models.ForeignKey(ApiKey, models.CASCADE, related_name="+")
    secret_prefix = models.CharField(
        max_length=16, blank=True, db_default="", help_text="Of the secret that asked for it; without one it is void."
    )
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    objects = TenantManager()

    class Meta:
        verbose_name = _("socket ticket")
        verbose_name_plural = _("socket tickets")

    def __str__(self) -> str:
        return f"{self.api_key_id} {self.expires_at}"
