"""A tenant's folders: made, renamed, restricted and deleted, and who is in them.

Whoever makes a folder manages it, beside owners and admins. People manage people: no key changes who is in a folder.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Case, IntegerField, Q, QuerySet, When
from django.utils import translation
from django.utils.translation import gettext as _

from tenants import audit
from tenants.access import PERMISSIONS, Actor
from tenants.models import Member, User
from tenants.shortcuts import first_or_404
from transcription import tenant_lock
from transcription.errors import InvalidOption, Refused
from transcription.folders.visibility import MANAGE, among, usable, within_limits
from transcription.models import Folder, FolderMember, FolderRole, Recording
from transcription.models.folder import LONGEST_FOLDER, LONGEST_FOLDER_FOLDED
from transcription.models.tag import folded_name
from transcription.scripts import one_line, without_turns

CREATE, ADD = "folders.create", "recordings.create"
MOST_FOLDERS, MOST_MEMBERS = 5000, 500
PARAM = "folder"
NOWHERE = "none"
"""Where a recording goes that is taken out of its folder."""


def visible(actor: Actor, search: str = "") -> QuerySet[Folder]:
    """Returns the folders that the actor sees whose name has `search`: the private one, those by name, others' ones."""
    actor.require("recordings.view")
    is_own = When(owner__isnull=False, owner=actor.member, then=0)
    place = Case(is_own, When(is_private=True, then=2), default=1, output_field=IntegerField())
    rows = usable(actor).order_by(place, "folded", "id")
    return rows.filter(folded__contains=folded_name(search.replace("\x00", ""))) if search else rows


def addable(actor: Actor, search: str = "") -> QuerySet[Folder]:
    """Returns those of the visible folders that the actor may add recordings to, without others' private ones."""
    rows = visible(actor, search).filter(not_others(actor))
    return rows.filter(id__in=usable(actor, ADD).values("id")) if actor.may(ADD) else rows.none()


def not_others(actor: Actor) -> Q:
    """Selects folders that are not another person's private one."""
    return Q(is_private=False) | Q(owner__isnull=False, owner=actor.member)


def get(actor: Actor, folder_id: UUID) -> Folder:
    """Raises Http404."""
    return first_or_404(visible(actor).filter(id=folder_id), _("There is no such folder."))


def label(actor: Actor, folder: Folder) -> str:
    """Returns how a folder is called to the actor: a private one by whose it is."""
    if not folder.is_private:
        return folder.name
    is_own = actor.member is not None and folder.owner_id == actor.member.id
    return private_label() if is_own else others_label(folder.name)


def private_label() -> str:
    return _("My private folder")


def others_label(person: str) -> str:
    return _("Private: %(person)s") % {"person": person}


def named(actor: Actor, text: str) -> Folder | None:
    """Returns the folder of an id, where the actor sees it."""
    folder_id = _as_id(text)
    return visible(actor).filter(id=folder_id).first() if folder_id else None


def may_add(actor: Actor, folder: Folder) -> bool:
    return addable(actor).filter(id=folder.id).exists()


def chosen(actor: Actor, text: str) -> Folder | None:
    """Returns the folder that a request names, by its id or its name, to add recordings to; None where it names none.

    The person's private one is made where there is none yet. A key that is limited to one folder means that one.
    Raises InvalidOption for one that is not there, or is another person's private one, and where a key that is limited
    to several names none, and PermissionDenied where the actor may add nothing to it.
    """
    if one_line(text):
        return _found(actor, one_line(text), not_others(actor))
    return None if within_limits(actor, None) else _only_one(actor)


def _only_one(actor: Actor) -> Folder:
    """Raises InvalidOption."""
    found = visible(actor)[:2]
    if len(found) != 1:
        raise InvalidOption(PARAM, _("This key is limited to some folders: say in “folder” for which one this is."))
    return found[0]


def moved_to(actor: Actor, text: str) -> Folder | None:
    """Returns the folder that a request names to move recordings to, as `chosen`; None where it says NOWHERE.

    It may be another person's private one. Raises InvalidOption, also where it says nothing, and PermissionDenied.
    """
    text = one_line(text)
    if not text:
        raise InvalidOption(PARAM, _("Choose a folder, or say “none” to take it out of its folder."))
    return None if folded_name(text) == NOWHERE else _found(actor, text, Q())


def _found(actor: Actor, text: str, among_these: Q) -> Folder:
    folder_id, rows = _as_id(text), visible(actor).filter(among_these)
    if actor.member is not None and folded_name(text) in _private_labels():
        return private(actor)
    is_meant = Q(id=folder_id) if folder_id else Q(folded=folded_name(text), is_private=False)
    found = rows.filter(is_meant).first()
    if found is None:
        raise InvalidOption(PARAM, _("There is no folder “%(name)s”.") % {"name": text[:LONGEST_FOLDER]})
    among(actor, found).require(ADD)
    return found


def require_addable(actor: Actor, folder: Folder | None) -> None:
    """Raises Refused for a folder that is gone, or where the actor may add nothing by the role that they have now.

    Call it with the tenant locked.
    """
    if folder is None and within_limits(actor, None):
        return
    now = Folder.objects.filter(id=folder.id).first() if folder is not None else None
    if now is None or not among(_as_of_now(actor), now).may(ADD):
        message = _("The folder was deleted meanwhile, or you may add nothing to it any more. Choose another one.")
        raise Refused("folder_deleted", message)


def _as_of_now(actor: Actor) -> Actor:
    if actor.member is None:
        return actor
    member = Member.objects.filter(id=actor.member.id, user__is_active=True).first()
    return replace(actor, permissions=actor.permissions & (PERMISSIONS[member.role] if member else frozenset()))


def private(actor: Actor) -> Folder:
    """Returns the person's private folder, which is made on its first use. Raises PermissionDenied."""
    actor.require(ADD)
    if actor.member is None:
        raise PermissionDenied(_("Only people have a private folder."))
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        own = Folder.objects.filter(owner=actor.member).first()
        if own is not None:
            return own
        name = one_line(str(actor.member.user))[:LONGEST_FOLDER]
        row = Folder(tenant=actor.tenant, name=name, restricted=True, is_private=True, owner=actor.member)
        row.folded = folded_name(name)[:LONGEST_FOLDER_FOLDED]
        _insert(actor, row)
    return row


def create(actor: Actor, name: str, *, restricted: bool = False) -> Folder:
    """Makes a folder, which the person who makes it manages. Raises InvalidOption, Refused and PermissionDenied."""
    actor.require(CREATE)
    row = Folder(tenant=actor.tenant, name=_checked_name(name), restricted=restricted)
    row.folded = folded_name(row.name)
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        if Folder.objects.filter(tenant=actor.tenant, is_private=False).count() >= MOST_FOLDERS:
            raise Refused("too_many_folders", _("There are %(n)d folders, which is the most.") % {"n": MOST_FOLDERS})
        _require_new_name(row)
        _insert(actor, row)
    return row


def change(actor: Actor, folder_id: UUID, name: str | None = None, restricted: bool | None = None) -> Folder:
    """Renames a folder, restricts it to its members or opens it. Raises Http404, InvalidOption and PermissionDenied."""
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = _managed(actor, folder_id)
        if row.is_private:
            raise InvalidOption("name", _("A private folder is its person’s alone: it stays as it is."))
        before = (row.name, row.restricted)
        if name is not None:
            row.name = _checked_name(name)
            row.folded = folded_name(row.name)
            _require_new_name(row)
        if restricted is not None and restricted != row.restricted:
            actor.require_in_person()
            row.restricted = restricted
        if (row.name, row.restricted) != before:
            row.save(update_fields=["name", "folded", "restricted"])
            audit.record(actor, "folder.changed", row, name=row.name, restricted=row.restricted)
    return row


def delete(actor: Actor, folder_id: UUID) -> Folder:
    """Deletes an empty folder. Raises Http404, PermissionDenied, and Refused where there is something in it."""
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        row = _managed(actor, folder_id)
        if Recording.objects.filter(folder=row).exists():
            message = _(
                "There are recordings in this folder, or deleted ones of it in the bin. Move them elsewhere, or erase "
                "them in the bin."
            )
            raise Refused("not_empty", message)
        if row.uploads.filter(state__in=("open", "arrived")).exists() or row.fetches.filter(finished_at=None).exists():
            message = _("Recordings for this folder are on their way. Wait until they are here, then move them.")
            raise Refused("not_empty", message)
        if row.mailboxes.exists():  # without it they would be everybody's
            raise Refused(
                "not_empty", _("What comes to a mailbox goes into this folder. Choose another one for it first.")
            )
        audit.record(actor, "folder.deleted", row, name=row.name)
        Folder.objects.filter(id=row.id).delete()
    return row


def may_manage(actor: Actor, folder: Folder) -> bool:
    """Returns whether the actor may rename and delete a folder; of a private one only whether it may delete it."""
    if actor.may(MANAGE):
        return True
    return actor.may(CREATE) and _role(actor, folder) == FolderRole.MANAGER


def members(actor: Actor, folder_id: UUID) -> QuerySet[FolderMember]:
    """Returns who is in a folder that the actor sees. Raises PermissionDenied and Http404."""
    actor.require("people.view")
    rows = FolderMember.objects.filter(folder=get(actor, folder_id)).select_related("member__user")
    return rows.order_by("member__user__email", "id")


def set_member(actor: Actor, folder_id: UUID, email: str, role: str) -> FolderMember:
    """Gives a member of the tenant a role in a folder. Raises Http404, InvalidOption, Refused and PermissionDenied."""
    actor.require("people.view")
    actor.require_in_person()
    with transaction.atomic():
        tenant_lock.lock_for_adding(actor.tenant.id)
        row = _managed(actor, folder_id)
        if role not in FolderRole.values:
            raise InvalidOption("role", _("It must be one of: %(known)s.") % {"known": ", ".join(FolderRole.values)})
        if row.is_private:
            raise InvalidOption("email", _("A private folder is its person’s alone: it stays as it is."))
        address = User.objects.normalize_email(email.strip())
        people = Member.objects.filter(tenant=actor.tenant, user__is_active=True)
        person = people.filter(user__email=address).select_related("user").first() if "\x00" not in address else None
        if person is None:
            message = _("Nobody in your organisation has the address “%(email)s”.")
            raise InvalidOption("email", message % {"email": email.strip()[:254]})
        known = FolderMember.objects.filter(folder=row, member=person).first()
        if known is not None and role != FolderRole.MANAGER:
            _require_another_manager(actor, known)
        if known is None and FolderMember.objects.filter(folder=row).count() >= MOST_MEMBERS:
            raise Refused("too_many_members", _("A folder has at most %(n)d members.") % {"n": MOST_MEMBERS})
        found, _is_new = FolderMember.objects.update_or_create(
            folder=row, member=person, defaults={"tenant": actor.tenant, "role": role}
        )
        audit.record(actor, "folder.member_set", row, email=person.user.email, role=str(role))
    return found


def remove_member(actor: Actor, folder_id: UUID, member_id: int) -> FolderMember:
    """Takes somebody out of a folder, and returns who they were; everybody may leave one.

    Raises Http404, InvalidOption and PermissionDenied.
    """
    actor.require("people.view")
    actor.require_in_person()
    with transaction.atomic():
        tenant_lock.lock(actor.tenant.id)
        leaves = actor.member is not None and actor.member.id == member_id
        row = get(actor, folder_id) if leaves else _managed(actor, folder_id)
        if row.is_private:
            raise InvalidOption("email", _("A private folder is its person’s alone: it stays as it is."))
        found = first_or_404(
            FolderMember.objects.filter(folder=row, member=member_id).select_related("member__user"),
            _("There is no such member."),
        )
        _require_another_manager(actor, found)
        audit.record(actor, "folder.member_removed", row, email=found.member.user.email, left=leaves)
        FolderMember.objects.filter(id=found.pk).delete()
    return found


def _managed(actor: Actor, folder_id: UUID) -> Folder:
    """Returns a folder that the actor manages. Raises Http404 and PermissionDenied."""
    actor.require(CREATE)
    row = get(actor, folder_id)
    if not may_manage(actor, row):
        raise PermissionDenied(_("Only who manages this folder may do that, and owners and admins."))
    return row


def _require_another_manager(actor: Actor, one: FolderMember) -> None:
    """Raises InvalidOption if nobody could manage the folder without that member but owners and admins, who may."""
    able = [role for role, permissions in PERMISSIONS.items() if CREATE in permissions]
    managers = FolderMember.objects.filter(folder=one.folder_id, role=FolderRole.MANAGER, member__role__in=able)
    if not actor.may(MANAGE) and managers.filter(id=one.pk).exists() and not managers.exclude(id=one.pk).exists():
        raise InvalidOption("role", _("The folder must keep a manager. Make somebody else one first."))


def _role(actor: Actor, folder: Folder) -> str | None:
    if actor.member is None:
        return None
    return FolderMember.objects.filter(folder=folder, member=actor.member).values_list("role", flat=True).first()


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _insert(actor: Actor, row: Folder) -> None:
    row.save(force_insert=True)
    if actor.member is not None:
        FolderMember.objects.create(tenant=actor.tenant, folder=row, member=actor.member, role=FolderRole.MANAGER)
    audit.record(actor, "folder.created", row, name=row.name, restricted=row.restricted)


def _require_new_name(row: Folder) -> None:
    """Raises InvalidOption for a name that a folder has, whoever sees it: twins would be mistaken for each other.

    What private folders are called, in any language, and what stands for an id or for no folder is taken, too.
    """
    same = Folder.objects.filter(tenant=row.tenant, folded=row.folded, is_private=False).exclude(id=row.id)
    is_reserved = row.folded == NOWHERE or row.folded in _private_labels() or _as_id(row.name) is not None
    if is_reserved or row.folded.startswith(_others_labels()) or same.exists():
        raise InvalidOption("name", _("The name “%(name)s” is taken.") % {"name": row.name})


def _private_labels() -> set[str]:
    return {folded_name(label) for label in _in_every_language(private_label)}


def _others_labels() -> tuple[str, ...]:
    """Returns how the labels of others' private folders begin."""
    labels = _in_every_language(lambda: others_label("\n"))
    return tuple(folded_name(label.partition("\n")[0]) for label in labels)


def _in_every_language(text: Callable[[], str]) -> list[str]:
    texts = []
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            texts.append(text())
    return texts


def _checked_name(sent: str) -> str:
    """Raises InvalidOption."""
    name = one_line(without_turns(sent))
    is_seen = any(unicodedata.category(c)[0] not in "CZ" for c in name)
    if not (is_seen and len(name) <= LONGEST_FOLDER and len(folded_name(name)) <= LONGEST_FOLDER_FOLDED):
        raise InvalidOption("name", _("A folder’s name has from 1 to %(n)d characters.") % {"n": LONGEST_FOLDER})
    return name
