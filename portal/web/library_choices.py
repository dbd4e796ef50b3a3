"""Whose recordings the library shows: what there is to choose from, and what the browser remembers of it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import gettext as _

from portal.web.access import TenantRequest
from portal.web.forms import FilterForm
from tenants.access import Actor
from tenants.models import ApiKey, Member
from transcription.library import recordings as library
from transcription.library import tags
from transcription.library.filters import EVERYBODY, PEOPLE, PROGRAMS, Filter

COOKIE, ITS_PATH = "library", "/recordings/"
"""Holds `people`, `all`, `programs`, or `programs.` and the id of a key."""
REMEMBER = "remember"
YEAR = 365 * 24 * 3600
MOST = 500


def filter_form(request: TenantRequest) -> FilterForm:
    """Returns what the query asks for; whose recordings, if it doesn't say, the browser remembers, or people's."""
    query = request.GET.copy()
    if not query.get("by"):
        by, _dot, key = request.COOKIES.get(COOKIE, "").partition(".")
        query["by"] = by if by in (PROGRAMS, EVERYBODY) else PEOPLE
        if by == PROGRAMS and key and dict(key_choices(request.actor)).get(key):
            query["key"] = key
    return FilterForm(query)


def remember(request: TenantRequest, response: HttpResponse, form: FilterForm) -> HttpResponse:
    """Has the browser remember whose recordings are shown, where somebody has chosen it."""
    if REMEMBER in request.GET:
        key = form.wanted.key if form.wanted.key in dict(key_choices(request.actor)) else ""
        chosen = f"{form.shown}.{key}" if key else form.shown
        secure = settings.SESSION_COOKIE_SECURE
        response.set_cookie(COOKIE, chosen, YEAR, path=ITS_PATH, secure=secure, httponly=True, samesite="Lax")
    return response


def choices(actor: Actor, form: FilterForm) -> dict[str, Any]:
    """Returns what there is to choose from; without anything by programs not whose recordings are shown."""
    keys = key_choices(actor)
    has_programs = bool(keys) or form.shown != PEOPLE or library.recordings(actor, Filter(by=PROGRAMS)).exists()
    names = list(tags.visible(actor).values_list("name", flat=True))
    return {"has_programs": has_programs, "keys": keys, "people": people_choices(actor), "tag_names": names}


def key_choices(actor: Actor) -> list[tuple[str, str]]:
    """Returns id and name of the organisation's keys, those that were revoked at the end."""
    rows = ApiKey.objects.filter(tenant=actor.tenant).order_by("name", "id").values_list("id", "name", "revoked_at")
    named = [(key_id, name, revoked is not None) for key_id, name, revoked in rows[:MOST]]
    return [(str(key_id), _label(name, revoked)) for key_id, name, revoked in sorted(named, key=lambda one: one[2])]


def people_choices(actor: Actor) -> list[tuple[str, str]]:
    """Returns address and name of the organisation's members, the actor first."""
    members = Member.objects.filter(tenant=actor.tenant).select_related("user").order_by("user__email")[:MOST]
    others = [(one.user.email, str(one.user)) for one in members if one.user != actor.user]
    return [(actor.user.email, _("Only mine")), *others] if actor.user else others


def _label(name: str, revoked: bool) -> str:
    return _("%(name)s (revoked)") % {"name": name} if revoked else name
