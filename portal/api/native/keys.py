"""API keys for programs that manage them: scope admin."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.native.operations import JSON, listing, operation
from portal.api.native.pagination import PAGE, newest_first
from portal.api.native.parsing import parse_body
from portal.api.native.representations import rfc3339
from portal.api.native.schemas.keys import KeyBody, KeyChanges, KeyRotation, KeySecretBody, NewKey, OldSecret
from portal.api.native.tenant_view import TenantView
from tenants import api_keys
from tenants.models import ApiKey, KeyScope
from transcription.folders import of_keys

SHOWN_ONCE = {"Cache-Control": "no-store"}


class KeysView(TenantView):
    """POST a key, whose secret is in this answer only; GET those of the tenant, the newest first."""

    @operation("listKeys", "The keys, newest first", {200: listing(KeyBody)}, parameters=PAGE)
    def get(self, request: Request) -> Response:
        return newest_first(api_keys.keys(self.actor), request, self, key_fields)

    @operation(
        "createKey",
        "Make a key",
        {201: KeySecretBody},
        body={JSON: NewKey},
        description="Its secret is in this answer only.",
    )
    def post(self, request: Request) -> Response:
        """Raises InvalidOption, InvalidKey and KeyConflict."""
        self.actor.require("keys.manage")
        new = parse_body(request, NewKey)
        key, secret = api_keys.create(
            self.actor,
            new.name,
            new.scope or KeyScope.WRITE,
            new.expires_at,
            new.addresses,
            of_keys.chosen(self.actor, new.folders),
        )
        headers = {"Location": f"/api/v1/keys/{key.id}"} | SHOWN_ONCE
        return Response(_with_secret(key, secret), 201, headers=headers)


class KeyView(TenantView):
    """GET one key, PATCH its name, expiry, addresses and folders, DELETE (revoke) it for good."""

    @operation("retrieveKey", "One key", {200: KeyBody})
    def get(self, request: Request, key_id: UUID) -> Response:
        return Response(key_fields(api_keys.key(self.actor, key_id)))

    @operation(
        "updateKey",
        "Change a key's name, expiry, addresses or folders",
        {200: KeyBody},
        body={JSON: KeyChanges},
    )
    def patch(self, request: Request, key_id: UUID) -> Response:
        """Raises InvalidOption, InvalidKey and KeyConflict."""
        changes = parse_body(request, KeyChanges).sent
        if "folders" in changes:
            key = api_keys.key(self.actor, key_id)
            changes["folders"] = of_keys.chosen(self.actor, changes["folders"], key)
        return Response(key_fields(api_keys.change(self.actor, key_id, changes)))

    @operation("revokeKey", "Revoke a key for good", {204: None})
    def delete(self, request: Request, key_id: UUID) -> Response:
        """Revokes a key, and answers 204 for one that was revoked before, too."""
        api_keys.key(self.actor, key_id)
        api_keys.revoke(self.actor, key_id)
        return Response(status=204)


class RotateView(TenantView):
    """POST for a new secret, which is in this answer only; the old one opens for `grace_seconds` more."""

    @operation(
        "rotateKey",
        "A new secret; the old one opens for a while",
        {200: KeySecretBody},
        body={JSON: KeyRotation},
    )
    def post(self, request: Request, key_id: UUID) -> Response:
        """Raises InvalidOption, InvalidKey and KeyConflict."""
        key, secret = api_keys.rotate(self.actor, key_id, parse_body(request, KeyRotation).grace)
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
    old = OldSecret(prefix=key.old_prefix, until=rfc3339(key.old_until), last_used_at=rfc3339(key.old_last_used_at))
    return {
        "id": str(key.id),
        "name": key.name,
        "prefix": key.prefix,
        "scope": key.scope,
        "state": key.state,
        "addresses": key.addresses,
        "folders": key.folders or None,
        "created_at": key.created_at.isoformat(),
        "created_by": (key.created_by.email if key.created_by else key.made_by) or None,
        "creator_status": key.maker,
        "expires_at": rfc3339(key.expires_at),
        "last_used_at": rfc3339(key.last_used_at),
        "revoked_at": rfc3339(key.revoked_at),
        "old_secret": old if key.old_is_live else None,
    }


urls = [
    path("keys", KeysView.as_view(), name="native_keys"),
    path("keys/<uuid:key_id>", KeyView.as_view(), name="native_key"),
    path("keys/<uuid:key_id>/rotate", RotateView.as_view(), name="native_key_rotate"),
    path("keys/<uuid:key_id>/old-secret", OldSecretView.as_view(), name="native_key_old_secret"),
]
