"""Creates, changes, rotates and revokes API keys on behalf of an actor."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import account_mails, audit, people_lock, scope
from tenants import addresses as networks
from tenants.access import SCOPES, Actor
from tenants.api_keys import secrets
from tenants.api_keys.errors import EXPIRED, InvalidKey, KeyConflict
from tenants.api_keys.secrets import Secret
from tenants.models import ApiKey, KeyScope, Member, Role, Tenant, User
from tenants.shortcuts import first_or_404

LONGEST_NAME = 100
MAX_ADDRESSES = 50
MAX_FOLDERS = 100
MAX_LIVE = 500
OF_A_FOLDER, OF_OTHERS = 40, 200
"""Characters that an id, and what isn't the key's limits, takes in an audit entry."""
GRACE = timedelta(hours=24)
LONGEST_GRACE = timedelta(days=7)


class Changes(TypedDict, total=False):
    """The editable fields of a key. Empty `addresses` allow any; `folders` are ids, and empty ones all."""

    name: str
    expires_at: datetime | None
    addresses: Sequence[str]
    folders: Sequence[str]


def keys(actor: Actor) -> QuerySet[ApiKey]:
    """Returns the tenant's keys, newest first. Raises PermissionDenied."""
    actor.require("keys.manage")
    return with_makers(ApiKey.objects.filter(tenant=actor.tenant)).order_by("-created_at", "-id")


def with_makers(rows: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
    """Adds each key's creator, and whether they are still a member, to the query."""
    members = Member.objects.filter(tenant=OuterRef("tenant"), user=OuterRef("created_by"))
    return rows.select_related("created_by").annotate(maker_is_member=Exists(members))


def key(actor: Actor, key_id: UUID) -> ApiKey:
    """Returns one of the tenant's keys. Raises PermissionDenied and Http404."""
    return first_or_404(keys(actor).filter(id=key_id), _("There is no such key."))


def create(
    actor: Actor,
    name: str,
    key_scope: str = KeyScope.WRITE,
    expires_at: datetime | None = None,
    addresses: Iterable[str] = (),
    folders: Iterable[str] = (),
) -> tuple[ApiKey, str]:
    """Creates a key and returns it with its secret. `folders` are ids that the caller has checked.

    Raises PermissionDenied, InvalidKey and KeyConflict.
    """
    actor.require("keys.manage")
    if key_scope not in KeyScope.values:
        raise InvalidKey("scope", _("The scope must be one of %(known)s.") % {"known": ", ".join(KeyScope.values)})
    limits: Changes = {"expires_at": expires_at, "addresses": list(addresses), "folders": list(folders)}
    wanted = _checked(limits | {"name": name}, key_scope)
    _require_own_rights(actor, key_scope=key_scope, **_limits(wanted))
    with transaction.atomic():
        people_lock.lock(actor.tenant.id)
        if ApiKey.objects.filter(tenant=actor.tenant, revoked_at=None).count() >= MAX_LIVE:
            message = _("There are %(most)d keys already. Revoke those that nothing uses any more.")
            raise KeyConflict("too_many_keys", message % {"most": MAX_LIVE})
        api_key, secret = issue(actor.tenant, created_by=actor.user, key_scope=key_scope, **wanted)
        audit.record(actor, "key.created", api_key, scope=key_scope, **_audit_details(wanted))
        tell_of_key(actor, api_key)
    return api_key, secret


def tell_of_key(actor: Actor, api_key: ApiKey) -> None:
    """Mails the owners, and whoever made it, that there is a new key."""
    owners = User.objects.filter(memberships__tenant=actor.tenant, memberships__role=Role.OWNER)
    people = {user.pk: user for user in (*owners, actor.user) if user is not None}
    by = actor.key.name if actor.key else actor.user.email if actor.user else ""
    context = {"tenant": actor.tenant, "name": api_key.name, "scope": api_key.get_scope_display()}
    for _pk, user in sorted(people.items()):  # in one order: each is a row that is locked
        account_mails.tell(user, "key_created", "web:keys", **context, by=by, is_key=actor.key is not None)


def issue(
    tenant: Tenant,
    name: str,
    created_by: User | None = None,
    key_scope: str = KeyScope.WRITE,
    expires_at: datetime | None = None,
    addresses: Iterable[str] = (),
    folders: Iterable[str] = (),
) -> tuple[ApiKey, str]:
    """Creates a key without any checks and returns it with its secret. Use `create` on behalf of an actor."""
    secret = secrets.make()
    with scope.bound(tenant.id):
        api_key = ApiKey.objects.create(
            tenant=tenant,
            name=name[:LONGEST_NAME],
            prefix=secret.prefix,
            digest=secret.digest,
            created_by=created_by,
            made_by=created_by.email if created_by else "",
            scope=key_scope,
            expires_at=expires_at,
            addresses=list(addresses),
            folders=list(folders),
        )
    return api_key, secret.text


def change(actor: Actor, key_id: UUID, wanted: Changes) -> ApiKey:
    """Changes a key and returns it. Raises PermissionDenied, Http404, InvalidKey and KeyConflict."""
    api_key = key(actor, key_id)
    checked = _checked(wanted, api_key.scope)
    changed = {field: value for field, value in checked.items() if getattr(api_key, field) != value}
    if not changed:
        return api_key
    _require_own_rights(actor, **_limits(changed))
    with transaction.atomic():
        if not ApiKey.objects.filter(id=api_key.id, revoked_at=None).update(**changed):
            raise _revoked()
        audit.record(actor, "key.changed", api_key, fields=sorted(changed), **_audit_details(changed))
    for field, value in changed.items():
        setattr(api_key, field, value)
    return api_key


def rotate(actor: Actor, key_id: UUID, grace: timedelta = GRACE) -> tuple[ApiKey, str]:
    """Gives a key a new secret and returns both. The current secret stays valid for `grace`, older ones do not.

    Of concurrent rotations one succeeds. Raises PermissionDenied, Http404, InvalidKey and KeyConflict.
    """
    api_key, now = key(actor, key_id), timezone.now()
    if not timedelta(0) <= grace <= LONGEST_GRACE:
        message = _("The grace period must be from 0 seconds to %(days)d days.") % {"days": LONGEST_GRACE.days}
        raise InvalidKey("grace_seconds", message)
    if api_key.is_revoked:
        raise _revoked()
    if api_key.is_expired:
        raise KeyConflict(EXPIRED, _("This key has expired. Give it a later date first."))
    if api_key.old_is_live and grace:
        message = _(
            "The secret from before the last rotation is still in use. End it first, or rotate without a grace."
        )
        raise KeyConflict("rotation_under_way", message)
    _require_own_rights(actor, api_key.scope, expires_at=api_key.expires_at, addresses=api_key.addresses)
    secret = secrets.make()
    unchanged = ApiKey.objects.filter(id=api_key.id, revoked_at=None, prefix=api_key.prefix)
    with transaction.atomic():
        decision = {"kept_at": now} if api_key.is_left_behind else {}  # the former member does not know the new secret
        if not unchanged.update(**_rotated_fields(api_key, secret, now + grace), **decision):
            raise KeyConflict("rotation_under_way", _("The key was changed at the same moment. Look at it again."))
        audit.record(actor, "key.rotated", api_key, grace_seconds=int(grace.total_seconds()))
    return key(actor, key_id), secret.text


def end_old_secret(actor: Actor, key_id: UUID) -> bool:
    """Invalidates the secret from before the last rotation; returns False if it was not valid any more.

    Raises PermissionDenied and Http404.
    """
    api_key, now = key(actor, key_id), timezone.now()
    with transaction.atomic():
        if not ApiKey.objects.filter(id=api_key.id, revoked_at=None, old_until__gt=now).update(old_until=now):
            return False
        audit.record(actor, "key.old_secret_ended", api_key)
    return True


def keep(actor: Actor, key_id: UUID) -> bool:
    """Keeps the key of a former member; returns False if that was decided before or the member has not left.

    Raises PermissionDenied and Http404.
    """
    api_key = key(actor, key_id)
    with transaction.atomic():
        undecided = ApiKey.objects.filter(id=api_key.id, revoked_at=None, kept_at=None)
        if not api_key.is_left_behind or not undecided.update(kept_at=timezone.now()):
            return False
        audit.record(actor, "key.kept", api_key, name=api_key.name, made_by=api_key.made_by)
    return True


def revoke(actor: Actor, key_id: UUID) -> bool:
    """Revokes a key; returns False if it does not exist or was revoked before. Raises PermissionDenied."""
    actor.require("keys.manage")
    with transaction.atomic():
        api_key = ApiKey.objects.filter(id=key_id, tenant=actor.tenant).first()
        rows = ApiKey.objects.filter(id=key_id, tenant=actor.tenant, revoked_at=None)
        if api_key is None or not rows.update(revoked_at=timezone.now()):
            return False
        audit.record(actor, "key.revoked", api_key, name=api_key.name)
    return True


def _rotated_fields(api_key: ApiKey, secret: Secret, old_until: datetime) -> dict[str, Any]:
    return {
        "prefix": secret.prefix,
        "digest": secret.digest,
        "last_used_at": None,
        "old_prefix": api_key.prefix,
        "old_digest": api_key.digest,
        "old_until": old_until,
        "old_last_used_at": api_key.last_used_at,
    }


def _checked(wanted: Changes, key_scope: str) -> dict[str, Any]:
    """Returns the validated and normalised changes. Raises InvalidKey."""
    checked: dict[str, Any] = dict(wanted)
    if "name" in wanted:
        checked["name"] = _name(wanted["name"])
    if "addresses" in wanted:
        checked["addresses"] = _networks(wanted["addresses"])
    if "folders" in wanted:
        checked["folders"] = checked_folders(wanted["folders"], key_scope)
    if (expires_at := wanted.get("expires_at")) is not None and expires_at <= timezone.now():
        raise InvalidKey("expires_at", _("The expiry must be in the future. To end the key now, revoke it."))
    return checked


def _name(given: str) -> str:
    """Raises InvalidKey."""
    name = given.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidKey("name", _("The name must have 1 to %(most)d characters.") % {"most": LONGEST_NAME})
    return name


def _networks(given: Sequence[str]) -> list[str]:
    """Returns the canonical networks without duplicates, in the given order. Raises InvalidKey."""
    if len(given) > MAX_ADDRESSES:
        raise InvalidKey("addresses", _("A key can have at most %(most)d allowed addresses.") % {"most": MAX_ADDRESSES})
    try:
        return networks.networks_of(given)
    except networks.InvalidNetwork as invalid:
        raise InvalidKey("addresses", str(invalid)) from None


def checked_folders(given: Sequence[str], key_scope: str) -> list[str]:
    """Returns the ids without duplicates. Raises InvalidKey."""
    if given and key_scope == KeyScope.ADMIN:
        message = _("A key that manages the organisation can’t be limited to folders: give it a smaller scope.")
        raise InvalidKey("folders", message)
    if len(given) > MAX_FOLDERS:
        raise InvalidKey("folders", _("A key can be limited to at most %(most)d folders.") % {"most": MAX_FOLDERS})
    return list(dict.fromkeys(given))


def _limits(fields: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in fields.items() if field in ("expires_at", "addresses")}


def _audit_details(fields: dict[str, Any]) -> dict[str, Any]:
    details = {field: value for field, value in fields.items() if field in ("name", "addresses")}
    if "expires_at" in fields:
        details["expires_at"] = fields["expires_at"].isoformat() if fields["expires_at"] else None
    if "folders" in fields:
        room = audit.LONGEST_DETAILS - OF_OTHERS - len(json.dumps(details, ensure_ascii=False))
        details["folders"] = fields["folders"][: room // OF_A_FOLDER]
        details["folders_count"] = len(fields["folders"])
    return details


def _require_own_rights(actor: Actor, key_scope: str | None = None, **limits: Any) -> None:
    """Raises PermissionDenied if the actor would grant a key more than it has itself."""
    if key_scope is not None and not SCOPES[key_scope] <= actor.permissions:
        raise PermissionDenied(_("A key can’t have more rights than whoever creates or changes it."))
    own = actor.key
    if own is None:
        return
    if own.expires_at and "expires_at" in limits:
        expires_at = limits["expires_at"]
        if expires_at is None or expires_at > own.expires_at:
            raise PermissionDenied(_("This key expires: it can't give a later expiry than its own."))
    addresses = limits.get("addresses", own.addresses)
    if own.addresses and not (addresses and networks.contain(own.addresses, addresses)):
        raise PermissionDenied(_("This key has allowed addresses: it can't allow others than its own."))


def _revoked() -> KeyConflict:
    return KeyConflict("key_revoked", _("This key was revoked, which can’t be undone. Create another one."))
