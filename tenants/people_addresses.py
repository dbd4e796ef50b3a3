"""The networks from which a tenant's people are let in: owners choose them, session_actor holds them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext as _

from tenants import addresses, audit, people_lock
from tenants.access import Actor, member_actor
from tenants.models import Tenant
from tenants.session_access import AddressRefused

MOST = 100
NOTED_EVERY = timedelta(hours=1)


class LocksOut(ValueError):
    """The networks would keep out whoever chooses them; the message says so."""


class NetworksField(forms.CharField):
    """Networks, one a line, as the list of their canonical forms."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"})

    def __init__(self, **more: Any) -> None:
        super().__init__(required=False, max_length=8000, **more)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        """Raises ValidationError."""
        try:
            found = addresses.networks_of(str(super().clean(value) or "").replace(",", " ").split())
        except addresses.InvalidNetwork as invalid:
            raise forms.ValidationError(str(invalid)) from None
        if len(found) > MOST:
            raise forms.ValidationError(_("At most %(most)d networks.") % {"most": MOST})
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), str(data or "").replace("\r\n", "\n"))


def allow(actor: Actor, networks: Sequence[str]) -> None:
    """Lets the tenant's people in from these networks only; from everywhere without any.

    Raises PermissionDenied, and LocksOut where the actor's own address is in none of them.
    """
    actor.require("owners.manage")
    if networks and not addresses.cover(networks, actor.address):
        message = _("You are at %(address)s, which is in none of these: you would lock yourself out. Add it.")
        raise LocksOut(message % {"address": actor.address or _("an unknown address")})
    _set(actor, list(networks))


def clear(actor: Actor) -> None:
    """Lets the tenant's people in from everywhere, as an operator does on the command line."""
    _set(actor, [])


def note_refusal(refused: AddressRefused) -> None:
    """Writes into the audit log that a member was kept out, once an hour for each address."""
    actor = member_actor(refused.member, refused.address)
    slot = zlib.crc32(addresses.site_of(refused.address).encode())
    audit.record_once(actor, "member.address_refused", refused.member, NOTED_EVERY, slot)


def _set(actor: Actor, networks: list[str]) -> None:
    with transaction.atomic():
        tenant = people_lock.lock(actor.tenant.id)
        if tenant.people_addresses == networks:
            return
        Tenant.objects.filter(pk=tenant.pk).update(people_addresses=networks)
        audit.record(actor, "preferences.changed", tenant, fields=["people_addresses"], networks=networks[:50])
