"""The models of tenants, users, API keys, quotas and the audit log."""

from tenants.models.account_check import AccountCheck
from tenants.models.allowed_domain import AllowedDomain
from tenants.models.announcement import Announcement, Dismissal, Maintenance
from tenants.models.api_key import ApiKey, KeyScope, Maker
from tenants.models.audit_entry import AuditEntry
from tenants.models.backup import Backup, OutboundHold
from tenants.models.directory import DirectoryPerson, DirectoryToken
from tenants.models.enrolled_voice import EnrolledVoice
from tenants.models.identity_provider import Identity, IdentityProvider, Protocol
from tenants.models.invitation import Invitation
from tenants.models.member import Member, Role
from tenants.models.notice import Notice
from tenants.models.plan import Plan
from tenants.models.quota import Quota
from tenants.models.rate_limit import Attempts, RequestBudget
from tenants.models.release import Release
from tenants.models.support_visit import SupportVisit
from tenants.models.tenant import LONGEST_HOTWORDS, Mode, Tenant
from tenants.models.usage import LedgerEntry, Reservation, UsageMonth
from tenants.models.user import EmailUserManager, User

__all__ = [
    "LONGEST_HOTWORDS",
    "AccountCheck",
    "AllowedDomain",
    "Announcement",
    "ApiKey",
    "Attempts",
    "AuditEntry",
    "Backup",
    "DirectoryPerson",
    "DirectoryToken",
    "Dismissal",
    "EmailUserManager",
    "EnrolledVoice",
    "Identity",
    "IdentityProvider",
    "Invitation",
    "KeyScope",
    "LedgerEntry",
    "Maintenance",
    "Maker",
    "Member",
    "Mode",
    "Notice",
    "OutboundHold",
    "Plan",
    "Protocol",
    "Quota",
    "Release",
    "RequestBudget",
    "Reservation",
    "Role",
    "SupportVisit",
    "Tenant",
    "UsageMonth",
    "User",
]
