"""Who uses the portal, and how much they may."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants.scope import TenantManager


class EmailUserManager(UserManager["User"]):
    """Makes users that sign in with an e-mail address."""

    def _create_user(self, email: str, password: str | None, **fields: Any) -> User:
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:  # type: ignore[override]
        return self._create_user(email, password, **fields)

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:  # type: ignore[override]
        return self._create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})


class User(AbstractUser):
    """A person, known by e-mail address. `is_staff` makes an operator of the whole installation."""

    username = None  # type: ignore[assignment]
    email = models.EmailField(_("e-mail address"), unique=True)
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[EmailUserManager] = EmailUserManager()

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")

    def __str__(self) -> str:
        return self.get_full_name() or self.email


class Tenant(models.Model):
    """A customer organisation."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=200)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Quota(models.Model):
    """The limits of a tenant. Seconds are audio seconds."""

    tenant = models.OneToOneField(Tenant, models.CASCADE, related_name="quota", verbose_name=_("tenant"))
    monthly_seconds = models.PositiveBigIntegerField(_("audio seconds a month"))
    concurrent = models.PositiveIntegerField(_("transcriptions at once"))
    upload_bytes = models.PositiveBigIntegerField(_("largest upload in bytes"))
    recording_seconds = models.PositiveIntegerField(_("longest recording in seconds"))
    stored_bytes = models.PositiveBigIntegerField(_("stored bytes"))
    stored_bytes_used = models.PositiveBigIntegerField(_("stored bytes in use"), default=0, editable=False)

    class Meta:
        verbose_name = _("quota")
        verbose_name_plural = _("quotas")

    def __str__(self) -> str:
        return str(_("Quota of %(tenant)s") % {"tenant": self.tenant})

    @classmethod
    def with_defaults(cls, tenant: Tenant) -> Quota:
        return cls(tenant=tenant, **settings.QUOTA_DEFAULTS)


class Role(models.TextChoices):
    OWNER = "owner", _("Owner")
    ADMIN = "admin", _("Admin")
    EDITOR = "editor", _("Editor")
    VIEWER = "viewer", _("Viewer")


class Member(models.Model):
    """A person in a tenant."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="members", verbose_name=_("tenant"))
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships", verbose_name=_("user"))
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.EDITOR)
    created_at = models.DateTimeField(_("since"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints = (models.UniqueConstraint(fields=["tenant", "user"], name="one_membership_per_tenant"),)

    def __str__(self) -> str:
        return f"{self.user} ({self.get_role_display()})"


class ApiKey(models.Model):
    """A program's way in. Only a digest of the secret is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="api_keys", verbose_name=_("tenant"))
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=16, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, editable=False, verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None


class UsageMonth(models.Model):
    """A tenant's audio seconds in one calendar month (UTC). Changed only by tenants.quota."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="usage", verbose_name=_("tenant"))
    month = models.DateField(_("month"), help_text=_("Its first day."))
    used_seconds = models.PositiveBigIntegerField(_("used seconds"), default=0)
    reserved_seconds = models.PositiveBigIntegerField(_("reserved seconds"), default=0)

    objects = TenantManager()

    class Meta:
        verbose_name = _("usage of a month")
        verbose_name_plural = _("usage by month")
        ordering = ("-month",)
        constraints = (models.UniqueConstraint(fields=["tenant", "month"], name="one_usage_row_a_month"),)

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class Reservation(models.Model):
    """Audio seconds held from a month until a transcription's end. Changed only by tenants.quota.

    held ──settle──▶ settled      (a ledger row says what was charged)
      └───release──▶ released     (nothing was charged)
    """

    class State(models.TextChoices):
        HELD = "held", _("Held")
        SETTLED = "settled", _("Settled")
        RELEASED = "released", _("Released")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="reservations")
    month = models.ForeignKey(UsageMonth, models.CASCADE, related_name="reservations")
    transcription_id = models.UUIDField(unique=True)
    seconds = models.PositiveBigIntegerField(_("seconds"))
    state = models.CharField(max_length=10, choices=State.choices, default=State.HELD)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("reservation")
        verbose_name_plural = _("reservations")

    def __str__(self) -> str:
        return f"{self.seconds} s {self.get_state_display()}"


class LedgerEntry(models.Model):
    """One line of a tenant's account. Never changed, never deleted; unique by transcription and kind."""

    class Kind(models.TextChoices):
        CHARGE = "charge", _("Charge")

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="ledger", verbose_name=_("tenant"))
    month = models.ForeignKey(UsageMonth, models.PROTECT, related_name="ledger", verbose_name=_("month"))
    transcription_id = models.UUIDField(_("transcription"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    seconds = models.PositiveBigIntegerField(_("audio seconds"))
    description = models.CharField(_("description"), max_length=255)
    created_at = models.DateTimeField(_("time"), default=timezone.now, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger")
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=["transcription_id", "kind"], name="one_entry_per_transcription_and_kind"),
        )
        indexes = (models.Index(fields=["tenant", "-created_at"], name="ledger_by_tenant"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.seconds} s"
