"""Who sees which recordings, by the folders that they are in, and what they may do there.

Every member sees what is in no folder or in an open one, and may do there what the role in the tenant allows. What is
in a restricted folder its members see, who may do what both roles allow: a folder gives nobody more than the tenant
does. Owners, admins and operators see every folder. Keys see every folder but people's private ones: they speak for the
organisation; one that is limited to folders sees those alone, and nothing that is in none. A guest sees the recording
of their link, wherever it is, and nothing else.

Recordings, and whatever tells of them, are read through `seen`: as if those that it leaves out did not exist.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from tenants.access import PERMISSIONS, Actor, Guest
from tenants.models import Member, Role
from transcription.models import Folder, FolderMember, FolderRole, Recording

VIEW = "recordings.view"
MANAGE = "folders.manage"
ALLOWED: dict[str, frozenset[str]] = {
    FolderRole.VIEWER: PERMISSIONS[Role.VIEWER],
    FolderRole.EDITOR: PERMISSIONS[Role.EDITOR],
    FolderRole.MANAGER: PERMISSIONS[Role.ADMIN],
}
OVERSEERS = [role for role, permissions in PERMISSIONS.items() if MANAGE in permissions]


def sees_all(actor: Actor) -> bool:
    return actor.key is None and actor.may(MANAGE)


def seen(actor: Actor, recording: str = "", permission: str = VIEW) -> Q:
    """Selects, by the path to their `recording`, the rows of recordings with which the actor may do something.

    Only the folder is looked at: not the permission that the actor has in the tenant.
    """
    if sees_all(actor):
        return Q()
    if actor.guest is not None:
        return _of_guest(actor.guest, recording)
    path = f"{recording}__folder" if recording else "folder"
    return _outside(actor, path) | Q(**{f"{path}__in": usable(actor, permission).values("id")})


def seen_in_lists(actor: Actor, recording: str = "", permission: str = VIEW) -> Q:
    """Selects the same rows as `seen`, for queries that read many recordings.

    It reads the folders first: what a subquery selects PostgreSQL can't estimate. A folder that is closed in the
    moment between the two is one that is closed a moment later, so look up a single row with `seen`.
    """
    if sees_all(actor):
        return Q()
    if actor.guest is not None:
        return _of_guest(actor.guest, recording)
    path = f"{recording}__folder" if recording else "folder"
    folders = list(usable(actor, permission).values_list("id", flat=True))
    return _outside(actor, path) | Q(**{f"{path}__id__among": folders})


def seen_arriving(actor: Actor) -> Q:
    """Selects the rows of what arrives for a folder, and has a `recording` once it is here."""
    if sees_all(actor):
        return Q()  # which, in a disjunction, selects nothing more
    return seen(actor) & (Q(recording__isnull=True) | seen(actor, "recording"))


def _outside(actor: Actor, path: str) -> Q:
    return Q(**{f"{path}__isnull": True}) if within_limits(actor, None) else Q(pk__in=())


def _of_guest(guest: Guest, recording: str) -> Q:
    return Q(**{recording or "id": guest.recording})


def usable(actor: Actor, permission: str = VIEW) -> QuerySet[Folder]:
    """Returns the folders with whose recordings the actor may do something, as `seen`."""
    rows = Folder.objects.filter(tenant=actor.tenant)
    if sees_all(actor):
        return rows
    if actor.guest is not None:
        return rows.none()
    if actor.key is not None:
        rows = rows.filter(is_private=False)
        return rows.filter(id__in=actor.key.folders) if actor.key.folders else rows
    roles = [role for role, permissions in ALLOWED.items() if permission in permissions]
    own = FolderMember.objects.filter(member=actor.member, role__in=roles)
    return rows.filter(Q(restricted=False) | Q(id__in=own.values("folder")))


def within_limits(actor: Actor, folder: Folder | None) -> bool:
    """Returns whether the actor's key, if it is limited to folders, has this one; it never has what is in none."""
    limits = actor.key.folders if actor.key is not None else []
    return not limits or (folder is not None and str(folder.id) in limits)


def among(actor: Actor, folder: Folder | None) -> Actor:
    """Returns the actor with what they may do with the recordings of a folder that they see; nobody gets more.

    Without a folder it is what they may do with those that are in none. A guest's permissions are those of their link.
    """
    if not within_limits(actor, folder):
        return replace(actor, permissions=frozenset(), folder=folder.name if folder else "")
    if folder is None or not folder.restricted or actor.key or actor.guest or sees_all(actor):
        return actor
    roles = FolderMember.objects.filter(folder=folder, member=actor.member).values_list("role", flat=True)
    role = roles.first() if actor.member is not None else None
    allowed = ALLOWED[role] if role else frozenset()
    return replace(actor, permissions=actor.permissions & allowed, folder=folder.name)


def with_recording(actor: Actor, recordings: Q) -> Actor:
    """Returns the actor with what they may do with a recording that `recordings` select; the same if they don't see it.

    Whoever looks it up then says that it isn't there.
    """
    if actor.key is not None or sees_all(actor):
        return actor
    within = Recording.objects.filter(recordings, tenant=actor.tenant, folder=OuterRef("pk"))
    folder = usable(actor).filter(Exists(within), restricted=True).first()
    return among(actor, folder)


def people_who_see(folder_id: UUID | None) -> Q:
    """Selects the members of a tenant who see what is in a folder of it."""
    if folder_id is None:
        return Q()
    within = FolderMember.objects.filter(folder=folder_id, member=OuterRef("pk"))
    is_open = Folder.objects.filter(id=folder_id, restricted=False)
    return Q(role__in=OVERSEERS) | Q(Exists(within)) | Q(Exists(is_open))


def is_seen_by(recording: str, user: str) -> Q:
    """Selects rows whose `recording` the member of the same tenant sees who is `user`; both are paths from the row."""
    same = {"tenant": OuterRef("tenant"), "user": OuterRef(user)}
    within = FolderMember.objects.filter(
        folder=OuterRef(f"{recording}__folder"), member__tenant=OuterRef("tenant"), member__user=OuterRef(user)
    )
    folder = f"{recording}__folder"
    overseer = Member.objects.filter(**same, role__in=OVERSEERS)
    return Q(**{f"{folder}__isnull": True}) | Q(**{f"{folder}__restricted": False}) | Exists(within) | Exists(overseer)
