"""What a directory reads and writes: rows of DirectoryPerson, and the memberships that come of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from scim2_models import (
    ConflictException,
    ForbiddenException,
    InvalidValueException,
    Meta,
    NotFoundException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    ResponseParameters,
    SearchRequest,
    UniquenessException,
)
from scim2_models.path import CompareOperator, Comparison
from scim2_server.storage import ScimStorage, SearchPage

from portal.scim.service import Person
from tenants import directory, people_lock, scope
from tenants.access import Actor
from tenants.directory import DirectoryEntry
from tenants.former_members import KeyDecision
from tenants.members import MemberConflict
from tenants.models import DirectoryPerson, Role, User
from tenants.newcomers import NewcomerRefused
from transcription.shares import leavers

MOST_PEOPLE = 20_000
KEPT = {"name", "display_name", "emails", "roles"}
LOOKED_UP = {"username": "folded", "externalid": "external_id"}
ROLES = (Role.VIEWER, Role.EDITOR, Role.ADMIN)


class PeopleStorage(ScimStorage):
    """The people of one tenant's directory."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    @contextmanager
    def operation(self) -> Iterator[None]:
        """Lets one change of a tenant's people happen at a time, whole or not at all."""
        with transaction.atomic(), scope.bound(self.actor.tenant.id):
            people_lock.lock(self.actor.tenant.id)
            yield

    def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        return _resource(self._row(resource_id))

    def search(
        self, resource_types: list[ResourceType], search_request: SearchRequest[Any], *, position: Any = None
    ) -> SearchPage:
        """Looks names and ids up, and compares one by one for any other filter."""
        start, wanted = search_request.start_index_0 or 0, search_request.filter
        stop = None if search_request.count is None else start + search_request.count
        rows = self._rows()
        node = wanted.ast if wanted is not None else None
        if isinstance(node, Comparison) and node.op == CompareOperator.eq and isinstance(node.value, str):
            column = LOOKED_UP.get(str(node.attr_path).rpartition(":")[2].lower())
            if column:
                value = node.value.casefold() if column == "folded" else node.value
                rows, wanted = rows.filter(**{column: value.replace("\x00", "")}), None
        if wanted is None:
            return SearchPage(rows.count(), [_resource(row) for row in rows[start:stop]])
        found = [one for one in map(_resource, rows) if wanted.match(one)]
        return SearchPage(len(found), list(found[start:stop]))

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        if self._rows().count() >= MOST_PEOPLE:
            raise ForbiddenException(detail=f"A directory has at most {MOST_PEOPLE} people here.")
        assert isinstance(resource, Person)
        row = DirectoryPerson(tenant=self.actor.tenant)
        resource.active = resource.active is not False
        self._apply(row, resource)
        row.save(force_insert=True)
        return _resource(row)

    def update(
        self, resource_type: ResourceType, resource: Resource[Any], *, expected_version: str | None = None
    ) -> Resource[Any]:
        row = self._row(str(resource.id), expected_version)
        self._apply(row, resource)
        row.version, row.changed_at = row.version + 1, timezone.now()
        row.save()
        return _resource(row)

    def delete(self, resource_type: ResourceType, resource_id: str, *, expected_version: str | None = None) -> None:
        row = self._row(resource_id, expected_version)
        self._settle(row, DirectoryEntry("", "", "", False, None))
        row.delete()

    def _rows(self) -> QuerySet[DirectoryPerson]:
        rows = DirectoryPerson.objects.filter(tenant=self.actor.tenant)
        return rows.select_related("member__user", "member__tenant")

    def _row(self, resource_id: str, expected_version: str | None = None) -> DirectoryPerson:
        """Raises NotFoundException and PreconditionFailedException."""
        try:
            row = self._rows().filter(id=UUID(resource_id)).first()
        except ValueError:
            row = None
        if row is None:
            raise NotFoundException(detail="There is no such person.")
        if expected_version not in (None, _version(row)):
            raise PreconditionFailedException
        return row

    def _apply(self, row: DirectoryPerson, resource: Resource[Any]) -> None:
        """Takes over what the directory says of somebody. Raises SCIMException."""
        assert isinstance(resource, Person)
        row.user_name = _text(resource.user_name, 254)
        row.folded = row.user_name.casefold()
        row.external_id = _text(resource.external_id, 255)
        row.is_active = resource.active
        row.attributes = resource.model_dump(include=KEPT, mode="json")
        if self._rows().filter(folded=row.folded).exclude(id=row.id).exists():
            raise UniquenessException(detail="This userName is taken.")
        self._settle(row, _wanted(resource, row))

    def _settle(self, row: DirectoryPerson, wanted: DirectoryEntry) -> None:
        """Raises SCIMException."""
        try:
            left = directory.settle(self.actor, row, wanted)
        except NewcomerRefused as refused:
            if refused.code in ("no_address", "other_domain"):
                raise InvalidValueException(detail=str(refused)) from refused
            if refused.code == "taken":
                raise UniquenessException(detail=str(refused)) from refused
            raise ConflictException(detail=str(refused)) from refused
        except MemberConflict as conflict:
            raise ForbiddenException(detail=str(conflict)) from conflict
        if left is not None:
            leavers.settle(self.actor, left, KeyDecision.REVOKE)


def _wanted(person: Person[Any], row: DirectoryPerson) -> DirectoryEntry:
    addresses = sorted(person.emails or [], key=lambda one: (not one.primary, one.type != "work"))
    email = next((one.value for one in addresses if one.value), None) or row.user_name
    values = [str(one.value).casefold() for one in person.roles or []]
    return DirectoryEntry(
        email=User.objects.normalize_email(_text(email, 254)),
        first_name=_text(person.name.given_name if person.name else None, 150),
        last_name=_text(person.name.family_name if person.name else None, 150),
        is_active=row.is_active is not False,
        role=next((role for role in reversed(ROLES) if role.value in values), None),
    )


def _resource(row: DirectoryPerson) -> Person[Any]:
    """Returns somebody as the directory knows them; whom the portal removed is not active."""
    kept: Person[Any] = Person.model_validate(
        {"schemas": [str(Person.__schema__)], "userName": row.user_name, **row.attributes}
    )
    kept.id, kept.external_id = str(row.id), row.external_id or None
    kept.active = row.is_active if row.member_id is not None else False
    kept.meta = Meta(resource_type="User", created=row.created_at, last_modified=row.changed_at, version=_version(row))
    return kept


def _version(row: DirectoryPerson) -> str:
    return f'W/"{row.version}-{int(row.member_id is not None)}"'


def _text(value: object, longest: int) -> str:
    """Raises InvalidValueException for what is too long."""
    text = " ".join(str(value or "").replace("\x00", "").split())
    if len(text) > longest:
        raise InvalidValueException(detail=f"At most {longest} characters.")
    return text
