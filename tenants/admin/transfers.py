"""Import and export of operators' pages as CSV and JSON: nothing in a cell is a formula, and the audit log has both.

An import is shown before it is made. Between the two the file travels signed in the page's form: on no disk, and to
whichever web process comes next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core import signing
from django.core.exceptions import SuspiciousOperation, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from import_export import fields, resources, results, widgets
from import_export.admin import ExportMixin, ImportExportMixin
from import_export.formats import base_formats
from import_export.forms import ImportForm
from import_export.tmp_storages import BaseStorage
from tablib import Dataset

from tenants import audit, plans
from tenants.admin.base import operator_of
from tenants.formulas import escape_formulas, without_guards
from tenants.members import tell_of_role
from tenants.models import ApiKey, LedgerEntry, Member, Plan, Quota, Role, Tenant, User
from tenants.models.quota import LIMITS
from tenants.plans import ActorIn

SALT = "tenants.admin.transfers"
LASTS_SECONDS = 3600


class Csv(base_formats.CSV):  # type: ignore[misc]
    """Guards cells as all our files do: the library would take one sign away, and only of “=”.

    What is read loses the guards again.
    """

    def create_dataset(self, in_stream: Any, **options: Any) -> Any:
        read = super().create_dataset(in_stream, **options)
        rows = [[without_guards(cell) if isinstance(cell, str) else cell for cell in row] for row in read]
        return Dataset(*rows, headers=read.headers)

    def export_data(self, dataset: Dataset, **options: Any) -> Any:
        guarded = Dataset(headers=dataset.headers)
        for row in dataset:
            guarded.append([escape_formulas(cell) if isinstance(cell, str) else cell for cell in row])
        return super().export_data(guarded, **options)


class SignedInTheForm(BaseStorage):  # type: ignore[misc]
    def save(self, data: Any) -> None:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
        self.name = signing.dumps(text, salt=SALT, compress=True)

    def read(self) -> Any:
        try:
            text: str = signing.loads(self.name, salt=SALT, max_age=LASTS_SECONDS)
        except signing.BadSignature as error:
            raise SuspiciousOperation(
                "An import was changed between preview and confirmation, or is too old"
            ) from error
        return text if self.read_mode == "r" else text.encode()

    def remove(self) -> None:
        pass


class Utf8ImportForm(ImportForm):  # type: ignore[misc]
    def clean_import_file(self) -> Any:
        """Raises ValidationError for what spreadsheets write in another encoding, or what is no text at all."""
        file = self.cleaned_data["import_file"]
        try:
            file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            text = gettext("This is no text in UTF-8. Save it as “CSV UTF-8” in your spreadsheet, and choose it again.")
            raise ValidationError(text) from None
        file.seek(0)
        return file


class Fault(results.Error):  # type: ignore[misc]
    """What is wrong with a file, without Python's traceback."""

    traceback = ""


class Export(ExportMixin):  # type: ignore[misc]
    """Mixin of an admin whose rows are exported as they are filtered."""

    formats = (Csv, base_formats.JSON)
    of_tenant = "tenant"
    """The path from a row to its tenant; empty for rows of none."""

    def get_export_data(self, file_format: Any, request: HttpRequest, queryset: QuerySet[Any], **more: Any) -> Any:
        data = super().get_export_data(file_format, request, queryset, **more)
        assert isinstance(request.user, User)
        opts = queryset.model._meta
        count = queryset.count()
        LogEntry.objects.create(
            user_id=request.user.pk,
            content_type_id=ContentType.objects.get_for_model(queryset.model).pk,
            object_repr=str(opts.verbose_name_plural),
            action_flag=CHANGE,
            change_message=ngettext("%(n)d row was exported.", "%(n)d rows were exported.", count) % {"n": count},
        )
        if self.of_tenant:
            ids = queryset.order_by().values_list(self.of_tenant, flat=True).distinct()
            for tenant in Tenant.objects.filter(pk__in=list(ids)):
                audit.record(operator_of(request, tenant), "data.exported", rows_of=str(opts.model_name))
        return data


class Transfers(Export, ImportExportMixin):  # type: ignore[misc]
    """Mixin of an admin whose rows are imported, too."""

    tmp_storage_class = SignedInTheForm
    import_form_class = Utf8ImportForm

    def get_import_resource_kwargs(self, request: HttpRequest, **more: Any) -> dict[str, Any]:
        kwargs: dict[str, Any] = super().get_import_resource_kwargs(request, **more)
        return kwargs | {"actor_in": lambda tenant: operator_of(request, tenant), "may": request.user.has_perm}


class Resource(resources.ModelResource):  # type: ignore[misc]
    actor_in: ActorIn

    def __init__(self, actor_in: ActorIn | None = None, may: Callable[[str], bool] | None = None, **more: Any) -> None:
        super().__init__(**more)
        if actor_in is not None:
            self.actor_in = actor_in
        self.may = may or (lambda _permission: False)
        self.before: dict[str, Any] = {}

    @classmethod
    def get_error_result_class(cls) -> type[Fault]:
        return Fault

    def before_import(self, dataset: Dataset, **more: Any) -> None:
        """Raises ValueError for a file without the columns by which rows are known."""
        missing = [name for name in self._meta.import_id_fields if name not in (dataset.headers or [])]
        if missing:
            text = gettext("The first line has to name the columns. These are missing: %(names)s.")
            raise ValueError(text % {"names": ", ".join(missing)})

    def before_import_row(self, row: dict[str, Any], **more: Any) -> None:
        for name, value in row.items():
            if isinstance(value, str):
                row[name] = value.strip()

    def after_init_instance(self, instance: Any, new: bool, row: Any, **more: Any) -> None:
        """Raises ValidationError for a new row of whoever may only change the ones there are."""
        if new and not self.may(f"tenants.add_{instance._meta.model_name}"):
            raise ValidationError(gettext("You may change what is here, and add nothing."))
        own = {} if new else {name: getattr(instance, name) for name in self.changeable}
        self.before = own

    def changed(self, instance: Any) -> list[str]:
        return sorted(name for name, value in self.before.items() if getattr(instance, name) != value)

    changeable: tuple[str, ...] = ()


class TenantResource(Resource):
    """Makes tenants, changes their settings and puts them on plans. It deletes none."""

    plan = fields.Field(column_name="plan")
    changeable = ("name", "is_active", "audio_retention_days", "text_retention_days", "bin_days")

    class Meta:
        model = Tenant
        fields = ("id", "name", "is_active", "plan", "audio_retention_days", "text_retention_days", "bin_days")
        import_id_fields = ("id",)
        clean_model_instances = True
        use_transactions = True

    def before_import(self, dataset: Dataset, **more: Any) -> None:
        """Takes a file without ids for one of new tenants."""
        if "id" not in (dataset.headers or []) and "name" in (dataset.headers or []):
            dataset.append_col([""] * len(dataset), header="id")
        super().before_import(dataset, **more)

    def dehydrate_plan(self, tenant: Tenant) -> str:
        quota = Quota.objects.filter(tenant=tenant.pk).select_related("plan").first()
        return str(quota.plan or "") if quota else ""

    def before_import_row(self, row: dict[str, Any], **more: Any) -> None:
        super().before_import_row(row, **more)
        row["id"] = row.get("id") or str(uuid4())
        if row.get("plan") and not Plan.objects.filter(name=row["plan"]).exists():
            raise ValidationError({"plan": gettext("There is no plan “%(plan)s”.") % {"plan": row["plan"]}})

    def after_save_instance(self, tenant: Tenant, row: Any, **more: Any) -> None:
        plan = Plan.objects.filter(name=row.get("plan") or "").first()
        actor = self.actor_in(tenant)
        now = Quota.objects.filter(tenant=tenant).first()
        if plan is not None and (now is None or now.plan_id != plan.pk) and not self.may("tenants.change_quota"):
            raise ValidationError({"plan": gettext("You may not put tenants on plans.")})
        if now is None:
            (Quota.of_plan(tenant, plan) if plan else Quota.with_defaults(tenant)).save()
            audit.record(actor, "tenant.created", tenant, name=tenant.name)
            return
        if changed := self.changed(tenant):
            audit.record(actor, "tenant.changed", tenant, fields=changed)
        if plan is not None:
            plans.assign(plan, [tenant], self.actor_in)

    def before_save_instance(self, tenant: Tenant, row: Any, **more: Any) -> None:
        _require_kept(tenant.pk)

    def skip_row(self, instance: Any, original: Any, row: Any, import_validation_errors: Any = None) -> bool:
        return False  # the plan is no field of the row


def _require_kept(tenant_id: UUID) -> None:
    """Raises ValidationError for a tenant that is being erased. Its row is locked, so that this doesn't begin now."""
    if Tenant.objects.select_for_update(no_key=True).filter(pk=tenant_id).exclude(deleting_at=None).exists():
        raise ValidationError(gettext("The tenant is being erased."))


class _PersonWidget(widgets.ForeignKeyWidget):  # type: ignore[misc]
    def clean(self, value: Any, row: Any = None, **more: Any) -> User:
        email = User.objects.normalize_email(str(value or ""))
        user = User.objects.filter(email=email).first()
        if user is None:
            raise ValueError(gettext("%(email)s has no account. Invite them instead.") % {"email": email})
        return user


class MemberResource(Resource):
    """Makes people who have an account members, and changes roles. It removes nobody."""

    tenant = fields.Field("tenant_id", "tenant", readonly=False)
    tenant_name = fields.Field("tenant__name", "tenant_name", readonly=True)
    email = fields.Field("user", "email", _PersonWidget(User, "email"))
    changeable = ("role",)

    class Meta:
        model = Member
        fields = ("tenant", "tenant_name", "email", "role", "created_at")
        import_id_fields = ("tenant", "email")
        use_transactions = True
        clean_model_instances = True
        skip_unchanged = True

    def before_save_instance(self, member: Member, row: Any, **more: Any) -> None:
        """Raises ValidationError where an operator would get into a tenant, or the tenant is being erased."""
        _require_kept(member.tenant_id)
        if member.user.is_staff or member.user.is_superuser:
            message = gettext("%(email)s is an operator: an import gives operators no role.")
            raise ValidationError({"email": message % {"email": member.user.email}})

    def after_save_instance(self, member: Member, row: Any, **more: Any) -> None:
        """Raises ValidationError where the tenant had no owner any more."""
        actor = self.actor_in(member.tenant)
        if not self.before:
            audit.record(actor, "member.added", member, email=member.user.email, role=member.role)
        elif self.changed(member):
            details = {"email": member.user.email, "role": member.role}
            audit.record(actor, "member.changed", member, fields=["role"], **details)
            tell_of_role(actor, member)
        if self.before.get("role") == Role.OWNER and not Member.objects.filter(
            tenant=member.tenant, role=Role.OWNER, user__is_active=True
        ):
            raise ValidationError({"role": gettext("The tenant would have no owner.")})


class PlanResource(Resource):
    """Makes and changes plans, and with them the limits of their tenants."""

    changeable = LIMITS

    class Meta:
        model = Plan
        fields = ("name", *LIMITS)
        import_id_fields = ("name",)
        use_transactions = True
        clean_model_instances = True
        skip_unchanged = True

    def after_save_instance(self, plan: Plan, row: Any, **more: Any) -> None:
        plans.hand_on(plan, self.actor_in)


class ApiKeyResource(resources.ModelResource):  # type: ignore[misc]
    """What is known of keys, without their secrets and digests."""

    tenant_name = fields.Field("tenant__name", "tenant_name")

    class Meta:
        model = ApiKey
        fields = (
            *("id", "tenant", "tenant_name", "name", "prefix", "scope", "made_by", "created_at"),
            *("last_used_at", "expires_at", "revoked_at", "addresses", "folders"),
        )


class LedgerResource(resources.ModelResource):  # type: ignore[misc]
    tenant_name = fields.Field("tenant__name", "tenant_name")
    month = fields.Field("month__month", "month")
    member = fields.Field("user__email", "member")

    class Meta:
        model = LedgerEntry
        fields = (
            *("id", "created_at", "tenant", "tenant_name", "month", "kind", "seconds", "description"),
            *("transcription_id", "member", "api_key"),
        )
