"""The sections of the operators' first page: models by what operators do with them, not by the app they are of."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SECTIONS: dict[str, tuple[Promise, tuple[str, ...]]] = {
    "customers": (
        _("Tenants and people"),
        (
            *("tenants.Tenant", "tenants.Member", "tenants.User", "tenants.ApiKey", "tenants.Plan"),
            *("tenants.SupportVisit", "offboarding.Deletion"),
        ),
    ),
    "work": (
        _("Recordings and work"),
        (
            *("transcription.Transcription", "transcription.Recording", "uploads.Upload", "fetches.Fetch"),
            *("transcription.Engine", "django_rq.Dashboard"),
        ),
    ),
    "news": (_("Messages on the pages"), ("tenants.Announcement", "tenants.Maintenance")),
    "accounts": (
        _("Usage and accounts"),
        (
            *("tenants.UsageMonth", "tenants.LedgerEntry", "tenants.Reservation", "tenants.Notice"),
            "tenants.AccountCheck",
        ),
    ),
    "exchange": (
        _("What tenants have set up"),
        (
            *("shares.Share", "rules.Rule", "exchange.Place", "exchange.Arrival", "exchange.Delivery"),
            *("webhooks.Endpoint", "webhooks.Delivery"),
        ),
    ),
    "security": (_("Rights and records"), ("tenants.AuditEntry", "auth.Group")),
}
NAMES: dict[str, Promise] = {
    "django_rq.Dashboard": _("Redis queues (wake-ups of workers)"),
    "offboarding.Deletion": _("Deleted tenants and receipts"),
    "tenants.AccountCheck": _("Nightly checks of the accounts"),
    "tenants.ApiKey": _("API keys"),
    "tenants.LedgerEntry": _("Charged minutes (ledger)"),
    "tenants.Notice": _("Warnings to owners about limits"),
    "tenants.Reservation": _("Reserved minutes"),
    "tenants.User": _("Accounts (people who sign in)"),
    "auth.Group": _("Groups of operators’ rights"),
    "webhooks.Delivery": _("Deliveries of webhooks"),
}


def sections(apps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the apps of AdminSite.get_app_list as sections; what is in none keeps its app."""
    found = {f"{app['app_label']}.{model['object_name']}": model for app in apps for model in app["models"]}
    for label, model in found.items():
        model["name"] = NAMES.get(label, model["name"])
    known = {label for _title, labels in SECTIONS.values() for label in labels}
    own = [
        {
            "name": title,
            "app_label": name,
            "app_url": reverse("admin:index"),
            "has_module_perms": True,
            "models": [found[label] for label in labels if label in found],
        }
        for name, (title, labels) in SECTIONS.items()
    ]
    rest = [
        app | {"models": left}
        for app in apps
        if (left := [model for model in app["models"] if f"{app['app_label']}.{model['object_name']}" not in known])
    ]
    return [section for section in own if section["models"]] + rest
