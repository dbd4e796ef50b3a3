"""API keys for programs that manage them: scope admin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.urls import path
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.moments import moment
from portal.api.native.pages import NewestFirst
from portal.api.native.shapes import KeyBody, KeySecretBody, OldSecret
from portal.api.native.tenantview import TenantView
from portal.api.openapi.operations import CURSOR, JSON, array, choice, counted, listing, operation, properties, text
from tenants import apikeys
from tenants.apikeys import Changes, InvalidKey
from tenants.models import ApiKey, KeyScope

CHANGES = {
    "name": text(maxLength=apikeys.LONGEST_NAME),
    "expires_at": text(format="date-time", nullable=True),
    "addresses": array(text()),
}
SHOWN_ONCE = {"Cache-Control": "no-store"}


class KeysView(TenantView):
    """POST a key, whose secret is in this answer only; GET those of the tenant, the newest first."""

    @operation("listKeys", "The keys, newest first", {200: listing(KeyBody)}, parameters=CURSOR)
    def get(self, request: Request) -> Response:
        pages = NewestFirst()
        page = pages.paginate_queryset(apikeys.keys(self.actor), request, view=self) or []
        return pages.get_paginated_response([key_fields(key) for key in page])

    @operation(
        "createKey",
        "Make a key",
        {201: KeySecretBody},
        body={JSON: properties(scope=choice(*KeyScope.values), **CHANGES, required=["name"])},
        description="Its secret is in this answer only.",
    )
    def post(self, request: Request) -> Response:
        """Raises InvalidKey and KeyConflict."""
        body = _body(request, {"name", "scope", "expires_at", "addresses"})
        wanted = _changes(body)
        key, secret = apikeys.create(
            self.actor,
            wanted.get("name", ""),
            KeyScope.WRITE if body.get("scope") is None else _text(body, "scope"),
            wanted.get("expires_at"),
            wanted.get("addresses", ()),
        )
        headers = {"Location": f"/api/v1/keys/{key.id}"} | SHOWN_ONCE
        return Response(_with_secret(key, secret), 201, headers=headers)


class KeyView(TenantView):
    """GET one key, PATCH its name, expiry and addresses, DELETE (revoke) it for good."""

    @operation("retrieveKey", "One key", {200: KeyBody})
    def get(self, request: Request, key_id: UUID) -> Response:
        return Response(key_fields(apikeys.key(self.actor, key_id)))

    @operation(
        "updateKey",
        "Change a key's name, expiry or addresses",
        {200: KeyBody},
        body={JSON: properties(**CHANGES, required=[])},
    )
    def patch(self, request: Request, key_id: UUID) -> Response:
        """Raises InvalidKey and KeyConflict."""
        wanted = _changes(_body(request, {"name", "expires_at", "addresses"}))
        return Response(key_fields(apikeys.change(self.actor, key_id, wanted)))

    @operation("revokeKey", "Revoke a key for good", {204: None})
    def delete(self, request: Request, key_id: UUID) -> Response:
        """Revoked before is revoked too."""
        apikeys.key(self.actor, key_id)
        apikeys.revoke(self.actor, key_id)
        return Response(status=204)


class RotateView(TenantView):
    """POST for a new secret, which is in this answer only; the old one opens for `grace_seconds` more."""

    @operation(
        "rotateKey",
        "A new secret; the old one opens for a while",
        {200: KeySecretBody},
        body={JSON: properties(grace_seconds=counted(0, int(apikeys.LONGEST_GRACE.total_seconds())), required=[])},
    )
    def post(self, request: Request, key_id: UUID) -> Response:
        """Raises InvalidKey and KeyConflict."""
        grace = _grace(_body(request, {"grace_seconds"}))
        key, secret = apikeys.rotate(self.actor, key_id, grace)
        return Response(_with_secret(key, secret), headers=SHOWN_ONCE)


class OldSecretView(TenantView):
    """DELETE the secret from before the last rotation; one that is over already is gone too."""

    @operation("endOldSecret", "End the secret from before the last rotation", {204: None})
    def delete(self, request: Request, key_id: UUID) -> Response:
        apikeys.end_old_secret(self.actor, key_id)
        return Response(status=204)


def _with_secret(key: ApiKey, secret: str) -> KeySecretBody:
    return KeySecretBody(**key_fields(key), secret=secret)


def key_fields(key: ApiKey) -> KeyBody:
    old = OldSecret(prefix=key.old_prefix, until=_moment(key.old_until), last_used_at=_moment(key.old_last_used_at))
    return {
        "id": str(key.id),
        "name": key.name,
        "prefix": key.prefix,
        "scope": key.scope,
        "state": key.state,
        "addresses": key.addresses,
        "created_at": key.created_at.isoformat(),
        "created_by": key.created_by.email if key.created_by else None,
        "expires_at": _moment(key.expires_at),
        "last_used_at": _moment(key.last_used_at),
        "revoked_at": _moment(key.revoked_at),
        "old_secret": old if key.old_is_live else None,
    }


def _body(request: Request, known: set[str]) -> Mapping[str, Any]:
    """A field that is not known might be meant to limit the key: it is refused. Raises InvalidKey."""
    body = request.data
    if not isinstance(body, Mapping):
        raise InvalidKey("body", _("Send a JSON object."))
    if unknown := sorted(str(name) for name in body.keys() - known):
        message = _("There is no field “%(name)s” here. Known are %(known)s.")
        raise InvalidKey(unknown[0][:60], message % {"name": unknown[0][:60], "known": ", ".join(sorted(known))})
    return body


def _changes(body: Mapping[str, Any]) -> Changes:
    """Raises InvalidKey."""
    wanted = Changes()
    if "name" in body:
        wanted["name"] = _text(body, "name")
    if "expires_at" in body:
        wanted["expires_at"] = _expiry(body)
    if "addresses" in body:
        wanted["addresses"] = _addresses(body)
    return wanted


def _text(body: Mapping[str, Any], name: str) -> str:
    """Raises InvalidKey."""
    value = body[name]
    if not isinstance(value, str):
        raise InvalidKey(name, _("“%(name)s” is a text.") % {"name": name})
    return value


def _expiry(body: Mapping[str, Any]) -> datetime | None:
    """Raises InvalidKey."""
    if body["expires_at"] is None:
        return None
    text = _text(body, "expires_at")
    try:
        return moment(text)
    except ValueError:
        message = _("Give date, time and zone, as in 2027-01-31T12:00:00Z, or null for never.")
        raise InvalidKey("expires_at", message) from None


def _addresses(body: Mapping[str, Any]) -> list[str]:
    """Raises InvalidKey."""
    value = body["addresses"]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InvalidKey("addresses", _("“%(name)s” is a list of texts.") % {"name": "addresses"})
    return value


def _grace(body: Mapping[str, Any]) -> timedelta:
    """Raises InvalidKey."""
    value = body.get("grace_seconds")
    if value is None:
        return apikeys.GRACE
    longest = int(apikeys.LONGEST_GRACE.total_seconds())
    if type(value) is not int or not 0 <= value <= longest:
        message = _("“%(name)s” is a whole number from 0 to %(most)d.")
        raise InvalidKey("grace_seconds", message % {"name": "grace_seconds", "most": longest})
    return timedelta(seconds=value)


def _moment(when: datetime | None) -> str | None:
    return when.isoformat() if when else None


urls = [
    path("keys", KeysView.as_view(), name="native_keys"),
    path("keys/<uuid:key_id>", KeyView.as_view(), name="native_key"),
    path("keys/<uuid:key_id>/rotate", RotateView.as_view(), name="native_key_rotate"),
    path("keys/<uuid:key_id>/old-secret", OldSecretView.as_view(), name="native_key_old_secret"),
]
