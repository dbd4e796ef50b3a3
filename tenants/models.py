"""Who uses the portal, and how much they may."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar, Literal

from django.conf import settings
from django.contrib.auth.models import AbstractUser, UserManager
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tenants.append_only import AppendOnly, AppendOnlyRows
from tenants.scope import TenantManager


class EmailUserManager(UserManager["User"]):
    """Makes users that sign in with an e-mail address."""

    def _create_user(self, email: str, password: str | None, **fields: Any) -> User:
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:  # type: ignore[override]
        return self._create_user(email, password, **fields)

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:  # type: ignore[override]
        return self._create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """As addresses are kept and compared: in lower case."""
        return (email or "").strip().lower()

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=self.normalize_email(username))


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

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keeps one account for an address, however it is written."""
        self.email = User.objects.normalize_email(self.email)
        super().save(*args, **kwargs)


class Mode(models.TextChoices):
    """How a recording is cut for Whisper."""

    AUTO = "auto", _("Automatic")
    EXACT = "exact", _("Exact")
    FAST = "fast", _("Fast")


LONGEST_HOTWORDS = 2000


class Tenant(models.Model):
    """A customer organisation."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=200)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    deleting_at = models.DateTimeField(
        _("being deleted since"), null=True, editable=False, help_text=_("Everything of it is being erased.")
    )
    audio_retention_days = models.PositiveIntegerField(
        _("days that audio is kept"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(36_500)],
        help_text=_("Counted from the upload; empty keeps it."),
    )
    text_retention_days = models.PositiveIntegerField(
        _("days that text is kept"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(36_500)],
        help_text=_("Counted from its completion; empty keeps it."),
    )
    default_mode = models.CharField(
        _("how recordings are cut"),
        max_length=5,
        choices=Mode.choices,
        default=Mode.AUTO,
        help_text=_(
            "Exact is Whisper’s own order, one piece after the other: the best text. Fast cuts at pauses and works on "
            "the pieces side by side. Automatic is exact, and fast for long recordings while the engine is idle."
        ),
    )
    short_clip_model = models.CharField(
        _("model for short clips"),
        max_length=40,
        blank=True,
        help_text=_(
            "Clips under 30 seconds go to this model where the caller asks for the default one. Empty, or no longer "
            "offered: to the default one."
        ),
    )
    languages = models.CharField(
        _("languages spoken here"),
        max_length=400,
        blank=True,
        default="",
        db_default="",
        help_text=_(
            "Codes such as en, de or pl, with commas between them: where a request names no language, it is detected "
            "among these. Empty: among all."
        ),
    )
    hotwords = models.TextField(
        _("names and terms"),
        max_length=LONGEST_HOTWORDS,
        blank=True,
        help_text=_(
            "Spellings that Whisper is reminded of in every transcription, before those of the request: the most "
            "important first, separated by commas or lines."
        ),
    )

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(deleting_at=None) | models.Q(is_active=False), name="nothing_goes_on_while_deleting"
            ),
        )

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
    requests_per_minute = models.PositiveIntegerField(
        _("API requests a minute"), default=600, validators=[MinValueValidator(1)]
    )
    share = models.PositiveSmallIntegerField(
        _("share"),
        default=1,
        validators=[MinValueValidator(1)],
        help_text=_("Weight in the fair order: a tenant with 2 is given twice the audio seconds of one with 1."),
    )
    stored_bytes_used = models.PositiveBigIntegerField(_("stored bytes in use"), default=0, editable=False)

    class Meta:
        verbose_name = _("quota")
        verbose_name_plural = _("quotas")

    def __str__(self) -> str:
        return str(_("Quota of %(tenant)s") % {"tenant": self.tenant})

    def save(self, **arguments: Any) -> None:
        """A form that was open while uploads were counted does not set them back."""
        if not self._state.adding:
            kept = {"id", "stored_bytes_used"}
            fields = [field.name for field in self._meta.concrete_fields if field.name not in kept]
            arguments.setdefault("update_fields", fields)
        super().save(**arguments)

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


class KeyScope(models.TextChoices):
    """What a key may do, each including the one before."""

    READ = "read", _("Read")
    WRITE = "write", _("Read and write")
    ADMIN = "admin", _("Everything an admin may")


Maker = Literal["member", "operator", "inactive", "gone"]


class ApiKey(models.Model):
    """A program's way in. Only digests of its secrets are kept.

    live ──expires_at──▶ expired      (a later date brings it back)
      └─────revoke─────▶ revoked      (for good)

    After a rotation the key has two secrets: the old one opens until `old_until`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="api_keys", verbose_name=_("tenant"))
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=16, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, editable=False, verbose_name=_("created by")
    )
    made_by = models.CharField(
        _("made by"), max_length=254, blank=True, db_default="", editable=False, help_text=_("Also once they are gone.")
    )
    kept_at = models.DateTimeField(
        _("kept"), null=True, editable=False, help_text=_("When somebody decided that it outlives its maker’s leaving.")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    scope = models.CharField(_("scope"), max_length=5, choices=KeyScope.choices, default=KeyScope.WRITE)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    addresses = models.JSONField(
        _("allowed addresses"),
        default=list,
        blank=True,
        help_text=_("Addresses and networks that it may be used from; empty: any."),
    )
    old_prefix = models.CharField(_("old prefix"), max_length=16, unique=True, null=True, editable=False)  # noqa: DJ001 - unique
    old_digest = models.CharField(max_length=64, blank=True, editable=False)
    old_until = models.DateTimeField(_("old secret until"), null=True, blank=True, editable=False)
    old_last_used_at = models.DateTimeField(_("old secret last used"), null=True, blank=True, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def is_live(self) -> bool:
        return not self.is_revoked and not self.is_expired

    @property
    def old_is_live(self) -> bool:
        """Whether the secret from before the last rotation still opens."""
        return self.is_live and self.old_until is not None and self.old_until > timezone.now()

    @property
    def maker(self) -> Maker | None:
        """What became of who made it: None where nobody was noted."""
        if self.created_by is None:
            return "gone" if self.made_by else None
        if not self.created_by.is_active:
            return "inactive"
        is_member = getattr(self, "maker_is_member", None)  # as apikeys.with_makers found it for many at once
        if is_member is None:
            is_member = Member.objects.filter(tenant_id=self.tenant_id, user=self.created_by).exists()
        if is_member:
            return "member"
        return "operator" if self.created_by.is_staff else "gone"

    @property
    def is_left_behind(self) -> bool:
        """Whether its maker has left, so that it is to be revoked or kept on purpose."""
        return self.is_live and self.kept_at is None and self.maker in ("inactive", "gone")

    @property
    def state(self) -> str:
        """`live`, `expired` or `revoked`."""
        if self.is_revoked:
            return "revoked"
        return "expired" if self.is_expired else "live"


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

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="reservations", verbose_name=_("tenant"))
    month = models.ForeignKey(UsageMonth, models.CASCADE, related_name="reservations", verbose_name=_("month"))
    transcription_id = models.UUIDField(_("transcription"), unique=True)
    seconds = models.PositiveBigIntegerField(_("seconds"))
    user = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("member"))
    api_key = models.ForeignKey(
        ApiKey, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("API key")
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.HELD)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

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
    user = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("member"))
    api_key = models.ForeignKey(
        ApiKey, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("API key")
    )
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


class RequestBudget(models.Model):
    """A tenant's requests a minute, as a leaky bucket. Changed only by tenants.rate_limit."""

    tenant = models.OneToOneField(Tenant, models.CASCADE, primary_key=True, related_name="request_budget")
    empty_at = models.FloatField(default=0.0, help_text="When the bucket has run dry, in seconds of Unix time.")

    class Meta:
        verbose_name = _("request budget")
        verbose_name_plural = _("request budgets")

    def __str__(self) -> str:
        return str(self.tenant_id)


class Attempts(models.Model):
    """How often somebody tried something, as a leaky bucket. Changed only by tenants.throttle."""

    key = models.CharField(max_length=64, primary_key=True)
    empty_at = models.FloatField(db_index=True, help_text="When the bucket has run dry, in seconds of Unix time.")

    class Meta:
        verbose_name = _("attempts")
        verbose_name_plural = _("attempts")

    def __str__(self) -> str:
        return self.key


class Notice(models.Model):
    """Told once to a tenant's owners: so much of a limit is gone. Unique by limit, month and percentage.

    REFUSED stands for more than all of it: a recording needed more than what was left.
    """

    REFUSED: ClassVar[int] = 101

    class Limit(models.TextChoices):
        MONTHLY_SECONDS = "monthly_seconds", _("audio minutes a month")
        STORED_BYTES = "stored_bytes", _("storage")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="notices", verbose_name=_("tenant"))
    limit = models.CharField(_("limit"), max_length=20, choices=Limit.choices)
    percent = models.PositiveSmallIntegerField(_("percent"))
    month = models.DateField(_("month"), help_text=_("Its first day."))
    created_at = models.DateTimeField(_("raised"), default=timezone.now, editable=False)
    emailed_at = models.DateTimeField(_("e-mailed"), null=True, blank=True, editable=False)
    dismissed_at = models.DateTimeField(_("dismissed"), null=True, blank=True, editable=False)

    objects = TenantManager()

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ("-created_at", "-percent")
        constraints = (
            models.UniqueConstraint(fields=["tenant", "limit", "month", "percent"], name="one_notice_per_threshold"),
        )

    def __str__(self) -> str:
        return f"{self.reached} {self.get_limit_display()}"

    @property
    def reached(self) -> str:
        return gettext("refused") if self.percent == self.REFUSED else f"{self.percent} %"


class AccountCheck(models.Model):
    """What the nightly comparison of ledgers, reservations and balances found. One row a day."""

    day = models.DateField(_("day"), unique=True)
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    tenants_checked = models.PositiveIntegerField(_("tenants checked"), default=0)
    discrepancies = models.JSONField(_("discrepancies"), default=list)

    class Meta:
        verbose_name = _("account check")
        verbose_name_plural = _("account checks")
        ordering = ("-day",)

    def __str__(self) -> str:
        return f"{self.day}"


class AuditEntry(AppendOnly):
    """One act: who did what to which object, when and from where. Written only by tenants.audit.

    Who it was is kept as text, so that the entry says the same when the person or the key is gone.
    """

    class Kind(models.TextChoices):
        MEMBER = "member", _("Member")
        KEY = "key", _("API key")
        OPERATOR = "operator", _("Operator")
        SYSTEM = "system", _("The portal itself")
        UNKNOWN = "unknown", _("Somebody unknown")

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="audit", db_index=False, verbose_name=_("organisation")
    )
    created_at = models.DateTimeField(_("time"), default=timezone.now, editable=False)
    actor_kind = models.CharField(_("kind of actor"), max_length=8, choices=Kind.choices)
    actor_id = models.CharField(_("id of the actor"), max_length=36, blank=True)
    actor_name = models.CharField(_("actor"), max_length=254, blank=True)
    address = models.CharField(_("address"), max_length=45, blank=True)
    action = models.CharField(_("action"), max_length=40)
    object_type = models.CharField(_("kind of object"), max_length=40, blank=True)
    object_id = models.CharField(_("id of the object"), max_length=40, blank=True)
    details = models.JSONField(_("details"), default=dict, blank=True)
    once = models.UUIDField(null=True, editable=False, help_text="Names the time in which no second entry is like it.")

    objects = TenantManager.from_queryset(AppendOnlyRows)()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=["once"], condition=models.Q(once__isnull=False), name="audit_once"),
        )
        indexes = (models.Index(fields=["tenant", "created_at", "id"], name="audit_by_tenant"),)

    def __str__(self) -> str:
        return f"{self.action} {self.actor_name}"

    @property
    def is_operators(self) -> bool:
        return self.actor_kind == self.Kind.OPERATOR

    @property
    def shown_actor(self) -> str:
        """Who it was, as the tenant may know it: of an operator only that it was one."""
        return "" if self.is_operators else self.actor_name

    @property
    def shown_actor_id(self) -> str:
        return "" if self.is_operators else self.actor_id

    @property
    def shown_address(self) -> str:
        return "" if self.is_operators else self.address
