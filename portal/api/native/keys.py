"""API keys for programs that manage them: scope admin."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native import parsing
from portal.api.native.pagination import newest_first
from portal.api.native.representations import moment
from portal.api.native.schemas.keys import KeyBody, KeySecretBody, OldSecret
from portal.api.native.tenant_view import TenantView
from portal.api.openapi.operations import CURSOR, JSON, array, choice, counted, listing, operation, properties, text
from tenants import api_keys
from tenants.api_keys import Changes
from tenants.models import ApiKey, KeyScope

CHANGES = {
    "name": text(maxLength=api_keys.LONGEST_NAME),
    "expires_at": text(format="date-time", nullable=True),
    "addresses": array(text()),
}
GRACE_SECONDS = range(int(api_keys.LONGEST_GRACE.total_seconds()) + 1)
NEW = properties(scope=choice(*KeyScope.values), **CHANGES, required=["name"])
CHANGED = properties(**CHANGES, required=[])
ROTATED = properties(grace_seconds=counted(GRACE_SECONDS[0], GRACE_SECONDS[-1]), required=[])
SHOWN_ONCE = {"Cache-Control": "no-store"}


class KeysView(TenantView):
    """POST a key, whose secret is in this answer only; GET those of the tenant, the newest first."""

    @operation("listKeys", "The keys, newest first", {200: listing(KeyBody)}, parameters=CURSOR)
    def get(self, request: Request) -> Response:
        return newest_first(api_keys.keys(self.actor), request, self, key_fields)

    @operation(
        "createKey",
        "Make a key",
        {201: KeySecretBody},
        body={JSON: NEW},
        description="Its secret is in this answer only.",
    )
    def post(self, request: Request) -> Response:
        """Raises InvalidOption, InvalidKey and KeyConflict."""
        body = parsing.json_object(request, NEW)
        wanted = _changes(body)
        key, secret = api_keys.create(
            self.actor,
            wanted.get("name", ""),
            parsing.text(body, "scope") or KeyScope.WRITE,
            wanted.get("expires_at"),
            wanted.get("addresses", ()),
        )
        headers = {"Location": f"/api/v1/keys/{key.id}"} | SHOWN_ONCE
        return Response(_with_secret(key, secret), 201, headers=headers)


class KeyView(TenantView):
    """GET one key, PATCH its name, expiry and addresses, DELETE (revoke) it for good."""

    @operation("retrieveKey", "One key", {200: KeyBody})
    def get(self, request: Request, key_id: UUID) -> Response:
        return Response(key_fields(api_keys.key(self.actor, key_id)))

    @operation(
        "updateKey",
        "Change a key's name, expiry or addresses",
        {200: KeyBody},
        body={JSON: CHANGED},
    )
    def patch(self, request: Request, key_id: UUID) -> Response:
        """Raises InvalidOption, InvalidKey and KeyConflict."""
        wanted = _changes(parsing.json_object(request, CHANGED))
        return Response(key_fields(api_keys.change(self.actor, key_id, wanted)))

    @operation("revokeKey", "Revoke a key for good", {204: None})
    def delete(self, request: Request, key_id: UUID) -> Response:
        """Revoked before is revoked too."""
        api_keys.key(self.actor, key_id)
        api_keys.revoke(self.actor, key_id)
        return Response(status=204)


class RotateView(TenantView):
    """POST for a new secret, which is in this answer only; the old one opens for `grace_seconds` more."""

    @operation(
        "rotateKey",
        "A new secret; the old one opens for a while",
        {200: KeySecretBody},
        body={JSON: ROTATED},
    )
    def post(self, request: Request, key_id: UUID) -> Response:
        """Raises InvalidOption, InvalidKey and KeyConflict."""
        grace = _grace(parsing.json_object(request, ROTATED))
        key, secret = api_keys.rotate(self.actor, key_id, grace)
        return Response(_with_secret(key, secret), headers=SHOWN_ONCE)


class OldSecretView(TenantView):
    """DELETE the secret from before the last rotation; one that is over already is gone too."""

    @operation("endOldSecret", "End the secret from before the last rotation", {204: None})
    def delete(self, request: Request, key_id: UUID) -> Response:
        api_keys.end_old_secret(self.actor, key_id)
        return Response(status=204)


def _with_secret(key: ApiKey, secret: str) -> KeySecretBody:
    return KeySecretBody(**key_fields(key), secret=secret)


def key_fields(key: ApiKey) -> KeyBody:
    old = OldSecret(prefix=key.old_prefix, until=moment(key.old_until), last_used_at=moment(key.old_last_used_at))
    return {
        "id": str(key.id),
        "name": key.name,
        "prefix": key.prefix,
        "scope": key.scope,
        "state": key.state,
        "addresses": key.addresses,
        "created_at": key.created_at.isoformat(),
        "created_by": (key.created_by.email if key.created_by else key.made_by) or None,
        "creator_status": key.maker,
        "expires_at": moment(key.expires_at),
        "last_used_at": moment(key.last_used_at),
        "revoked_at": moment(key.revoked_at),
        "old_secret": old if key.old_is_live else None,
    }


def _changes(body: parsing.Body) -> Changes:
    """Only `expires_at` may be null: a key that doesn't expire. Raises InvalidOption."""
    wanted = Changes()
    if "name" in body:
        wanted["name"] = parsing.needed("name", parsing.text(body, "name"))
    if "expires_at" in body:
        wanted["expires_at"] = parsing.moment(body, "expires_at")
    if "addresses" in body:
        wanted["addresses"] = parsing.needed("addresses", parsing.texts(body, "addresses"))
    return wanted


def _grace(body: parsing.Body) -> timedelta:
    """Raises InvalidOption."""
    seconds = parsing.whole_among(body, "grace_seconds", GRACE_SECONDS)
    return api_keys.GRACE if seconds is None else timedelta(seconds=seconds)


urls = [
    path("keys", KeysView.as_view(), name="native_keys"),
    path("keys/<uuid:key_id>", KeyView.as_view(), name="native_key"),
    path("keys/<uuid:key_id>/rotate", RotateView.as_view(), name="native_key_rotate"),
    path("keys/<uuid:key_id>/old-secret", OldSecretView.as_view(), name="native_key_old_secret"),
]
