"""Folders of recordings, and who is in them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from tenants.models import Member, Tenant
from tenants.scope import TenantManager

LONGEST_FOLDER, LONGEST_FOLDER_FOLDED = 80, 320


class FolderRole(models.TextChoices):
    VIEWER = "viewer", _("Viewer")
    EDITOR = "editor", _("Editor")
    MANAGER = "manager", _("Manager")


class Folder(models.Model):
    """A folder of a tenant's recordings, each of which is in one or in none.

    All members of the tenant see what is in an open one. What is in a `restricted` one only its own members see, and
    those who see every folder: transcription.folders.visibility. A private folder is a restricted one whose `owner` is
    its only member, and whose name it has; it stays when they leave. `folded` is the name as it is compared,
    `term_hotwords` those of the folder's terms that are heard first (transcription.transcripts.terms keeps them).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=LONGEST_FOLDER)
    folded = models.CharField(max_length=LONGEST_FOLDER_FOLDED, editable=False)
    restricted = models.BooleanField(_("restricted"), default=False)
    is_private = models.BooleanField(_("private"), default=False, editable=False)
    owner = models.OneToOneField(Member, models.SET_NULL, null=True, editable=False, related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    term_hotwords = models.TextField(default="", db_default="", editable=False)
    audio_retention_days = models.PositiveIntegerField(_("days that audio is kept"), null=True, blank=True)
    text_retention_days = models.PositiveIntegerField(_("days that text is kept"), null=True, blank=True)

    objects = TenantManager()

    class Meta:
        verbose_name = _("folder")
        verbose_name_plural = _("folders")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(is_private=False) | models.Q(restricted=True), name="private_folders_are_restricted"
            ),
        )
        indexes = (models.Index(fields=["tenant", "folded", "id"], name="folders_by_name"),)

    def __str__(self) -> str:
        return self.name


class FolderMember(models.Model):
    """What a member may do with the recordings of a restricted folder, and who manages an open one.

    It ends with the membership of the tenant.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+")
    folder = models.ForeignKey(Folder, models.CASCADE, related_name="members", db_index=False)
    member = models.ForeignKey(Member, models.CASCADE, related_name="+", verbose_name=_("member"))
    role = models.CharField(_("role"), max_length=10, choices=FolderRole.choices, default=FolderRole.VIEWER)

    objects = TenantManager()

    class Meta:
        verbose_name = _("member of a folder")
        verbose_name_plural = _("members of folders")
        constraints = (models.UniqueConstraint(fields=["folder", "member"], name="one_role_in_a_folder"),)

    def __str__(self) -> str:
        return f"{self.folder_id} {self.member_id} ({self.get_role_display()})"
