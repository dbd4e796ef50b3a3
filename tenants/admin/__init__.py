"""The operators' pages of tenants: Django's admin finds them here."""

from tenants.admin.accounting import AccountCheckAdmin, LedgerEntryAdmin, NoticeAdmin, ReservationAdmin, UsageMonthAdmin
from tenants.admin.announcements import AnnouncementAdmin, MaintenanceAdmin
from tenants.admin.api_keys import ApiKeyAdmin
from tenants.admin.audit_log import AuditEntryAdmin
from tenants.admin.base import IsSet, OfTenant, ReadOnly, column, operator_of
from tenants.admin.members import MemberAdmin, SupportVisitAdmin
from tenants.admin.plans import PlanAdmin
from tenants.admin.tenants import TenantAdmin
from tenants.admin.users import UserAdmin

__all__ = [
    "AccountCheckAdmin",
    "AnnouncementAdmin",
    "ApiKeyAdmin",
    "AuditEntryAdmin",
    "IsSet",
    "LedgerEntryAdmin",
    "MaintenanceAdmin",
    "MemberAdmin",
    "NoticeAdmin",
    "OfTenant",
    "PlanAdmin",
    "ReadOnly",
    "ReservationAdmin",
    "SupportVisitAdmin",
    "TenantAdmin",
    "UsageMonthAdmin",
    "UserAdmin",
    "column",
    "operator_of",
]
