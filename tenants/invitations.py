"""Invitations: people become members by a link that is mailed to them, or that whoever invites hands over.

The link carries a signature of the invitation's id and nonce, so that no secret is stored and it can be mailed, or
shown, at any time. The sweeper sends the mails: what was accepted is sent, whoever crashes in between.
"""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from tenants import audit, mails, people_lock, scope
from tenants.access import Actor, member_actor
from tenants.members import MemberConflict, require_role
from tenants.models import Invitation, Member, Role, User
from tenants.models.invitation import new_nonce
from tenants.shortcuts import first_or_404
from tenants.throttle import Limit

log = logging.getLogger(__name__)
LIFETIME = timedelta(days=7)
FORGET_AFTER = timedelta(days=90)
MAX_OPEN = 500
MAX_AT_ONCE = 200
MAX_LIST_CHARACTERS = 100_000
SENT = Limit("invitations of an organisation", 400, 86_400)
SENT_AGAIN = Limit("mails of an invitation", 5, 3600)
LONGEST_NAME = 320
SIGNER = signing.Signer(salt="tenants.invitations")


class InvalidInvitation(ValueError):
    """An address or role can't be invited. The message says why; for a list, with the line."""


@dataclass(frozen=True)
class Invitee:
    """Whom to invite."""

    email: str
    role: Role


def open_invitations(actor: Actor) -> QuerySet[Invitation]:
    """Returns the tenant's invitations that are neither accepted nor revoked. Raises PermissionDenied."""
    actor.require("people.manage")
    return Invitation.objects.filter(tenant=actor.tenant, accepted_at=None, revoked_at=None)


def invite(actor: Actor, people: Sequence[Invitee]) -> list[Invitation]:
    """Invites people, all of them or nobody; an open invitation of the same address is sent again.

    Raises PermissionDenied, InvalidInvitation and MemberConflict.
    """
    for role in {person.role for person in people} or {Role.VIEWER}:
        require_role(actor, role)
    wanted = {person.email: person for person in map(_checked, people)}
    with transaction.atomic():
        people_lock.lock(actor.tenant.id)
        known = Member.objects.filter(tenant=actor.tenant, user__email__in=wanted)
        if there := list(known.values_list("user__email", flat=True)):
            message = _("Already a member: %(people)s.") % {"people": ", ".join(sorted(there))}
            raise MemberConflict("already_member", message)
        if open_invitations(actor).exclude(email__in=wanted).count() + len(wanted) > MAX_OPEN:
            message = _("There are %(most)d open invitations already. Revoke those that nobody will accept.")
            raise MemberConflict("too_many", message % {"most": MAX_OPEN})
        return [_open(actor, person) for person in wanted.values()]


def invite_again(actor: Actor, invitation_id: UUID) -> Invitation:
    """Mails an open or expired invitation again, with a new link. Raises PermissionDenied, Http404, MemberConflict."""
    row = invitation(actor, invitation_id)
    require_role(actor, row.role)
    with transaction.atomic():
        people_lock.lock(actor.tenant.id)
        return _open(actor, Invitee(row.email, Role(row.role)))


def revoke(actor: Actor, invitation_id: UUID) -> None:
    """Ends an invitation; its link is refused from then on. Raises PermissionDenied and Http404."""
    row = invitation(actor, invitation_id)
    require_role(actor, row.role)
    with transaction.atomic():
        if open_invitations(actor).filter(id=row.id).update(revoked_at=timezone.now()):
            audit.record(actor, "invitation.revoked", row, email=row.email, role=row.role)


def invitation(actor: Actor, invitation_id: UUID) -> Invitation:
    """Returns one of the tenant's open or expired invitations. Raises PermissionDenied and Http404."""
    return first_or_404(open_invitations(actor).filter(id=invitation_id), _("There is no such invitation."))


def parse_list(text: str, default: Role) -> list[Invitee]:
    """Reads one person a line: an e-mail address and, after a comma, semicolon or tab, a role.

    A first line without an address is a heading. Raises InvalidInvitation with the number of the line.
    """
    if len(text) > MAX_LIST_CHARACTERS:
        raise InvalidInvitation(_("The list is too long."))
    if "\x00" in text:
        raise InvalidInvitation(_("This is not a list of addresses."))
    separator = next((mark for mark in "\t;" if mark in text), ",")
    people: list[Invitee] = []
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff")), delimiter=separator)
    try:
        for cells in reader:
            email, role = [*(cell.strip() for cell in cells), "", ""][:2]
            if not email or (not people and reader.line_num == 1 and "@" not in email):
                continue
            try:
                people.append(_checked(Invitee(email, _role_of(role, default))))
            except InvalidInvitation as error:
                raise InvalidInvitation(_("Line %(n)d: %(why)s") % {"n": reader.line_num, "why": error}) from None
    except csv.Error as error:
        raise InvalidInvitation(_("Line %(n)d: %(why)s") % {"n": reader.line_num, "why": error}) from None
    if not people:
        raise InvalidInvitation(_("There is no address in it."))
    if len(people) > MAX_AT_ONCE:
        raise InvalidInvitation(_("At most %(most)d people at once.") % {"most": MAX_AT_ONCE})
    return people


def link(row: Invitation) -> str:
    """Returns the address at which an invitation is accepted."""
    return f"{settings.PORTAL_URL}/accounts/invitations/{row.id}-{_signature(row)}/"


def find(invitation_id: UUID, signature: str) -> Invitation | None:
    """Returns the open invitation of a link; None if it is unknown, expired, accepted or revoked."""
    with scope.across_tenants("the link names the tenant"):
        rows = Invitation.objects.filter(id=invitation_id, tenant__is_active=True, accepted_at=None, revoked_at=None)
        row = rows.filter(expires_at__gt=timezone.now()).select_related("tenant").first()
    return row if row is not None and _is_signed(row, signature) else None


def accept(row: Invitation, user: User, address: str) -> Member:
    """Makes a user a member by an invitation that `find` returned. Somebody who is a member already keeps the role.

    Raises MemberConflict if it was accepted or revoked meanwhile, or is another address's.
    """
    if user.email != row.email or not user.is_active:
        raise MemberConflict("not_open", _("This invitation is for another address."))
    with transaction.atomic(), scope.bound(row.tenant_id):
        still = Invitation.objects.filter(id=row.id, nonce=row.nonce, accepted_at=None, revoked_at=None)
        still = still.filter(expires_at__gt=timezone.now(), tenant__is_active=True)
        if not still.update(accepted_at=timezone.now()):
            raise MemberConflict("not_open", _("This invitation no longer works."))
        member, is_new = Member.objects.get_or_create(tenant=row.tenant, user=user, defaults={"role": row.role})
        if is_new:
            actor = member_actor(member, address)
            audit.record(actor, "member.added", member, email=user.email, role=row.role, invited_by=row.inviter_name)
    return member


def send_due() -> int:
    """Mails what is waiting; returns the number of invitations sent. Their page says which could not be."""
    with scope.across_tenants("every tenant's invitations are mailed"):
        return MAILS.send_due()


def forget_old() -> int:
    """Deletes invitations that ended long ago, and returns their number."""
    oldest = timezone.now() - FORGET_AFTER
    with scope.across_tenants("the sweeper serves every tenant"):
        ended = Q(accepted_at__lt=oldest) | Q(revoked_at__lt=oldest) | Q(expires_at__lt=oldest)
        return Invitation.objects.filter(ended).delete()[0]


def is_unmailable(row: Invitation) -> bool:
    """Returns whether the mail was refused each time."""
    return row.mailed_at is None and row.mail_attempts >= mails.ATTEMPTS


def _open(actor: Actor, person: Invitee) -> Invitation:
    """Creates or renews an invitation. Raises PermissionDenied and MemberConflict."""
    known = open_invitations(actor).select_for_update(of=("self",)).filter(email=person.email).first()
    if known is not None:
        require_role(actor, known.role)
    within = SENT_AGAIN.take(str(actor.tenant.id), person.email) and SENT.take(str(actor.tenant.id))
    if not within:
        message = _("Too many mails to %(email)s, or in one day. Try again later, or hand over the link.")
        raise MemberConflict("too_many", message % {"email": person.email})
    row = known or Invitation(tenant=actor.tenant, email=person.email)
    row.role, row.invited_by, row.inviter_name = person.role, actor.user, _name_of(actor)
    row.language = translation.get_language() or settings.LANGUAGE_CODE
    row.nonce, row.expires_at = new_nonce(), timezone.now() + LIFETIME
    row.mailed_at, row.mail_attempts, row.mail_after = None, 0, timezone.now()
    row.save()
    action = "invitation.renewed" if known else "invitation.created"
    audit.record(actor, action, row, email=row.email, role=str(row.role))
    return row


def _checked(person: Invitee) -> Invitee:
    """Normalises the address. Raises InvalidInvitation."""
    email = User.objects.normalize_email(person.email)
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidInvitation(_("“%(typed)s” is no e-mail address.") % {"typed": person.email[:80]}) from None
    if len(email) > 254:
        raise InvalidInvitation(_("The address is too long."))
    return Invitee(email, person.role)


def _role_of(text: str, default: Role) -> Role:
    """Returns the role with this code or name in the current language. Raises InvalidInvitation."""
    if not text:
        return default
    for role in Role:
        if text.casefold() in (role.value, str(role.label).casefold()):
            return role
    known = ", ".join(str(role.label) for role in Role)
    raise InvalidInvitation(_("“%(typed)s” is no role. There are: %(known)s.") % {"typed": text[:40], "known": known})


def _name_of(actor: Actor) -> str:
    name, email = str(actor.user or ""), actor.user.email if actor.user else ""
    return " ".join((f"{name} <{email}>" if name != email else name).split())[:LONGEST_NAME]


def _signature(row: Invitation) -> str:
    return SIGNER.signature(f"{row.id}.{row.nonce}")


def _is_signed(row: Invitation, signature: str) -> bool:
    with suppress(signing.BadSignature, UnicodeEncodeError):
        return bool(SIGNER.unsign(f"{row.id}.{row.nonce}{SIGNER.sep}{signature}"))
    return False


def _valid(now: datetime | Now) -> QuerySet[Invitation]:
    rows = Invitation.objects.filter(accepted_at=None, revoked_at=None, tenant__is_active=True)
    return rows.filter(expires_at__gt=now).select_related("tenant")


def _message(row: Invitation) -> EmailMessage:
    context = {
        "inviter": row.inviter_name,
        "tenant": " ".join(row.tenant.name.split()),  # a line break would end the header
        "address": link(row),
        "expires_at": row.expires_at,
        "portal": settings.PORTAL_URL,
    }
    with translation.override(row.language):
        return mails.rendered("account/email/invitation", row.email, context | {"role": row.get_role_display()})


MAILS = mails.MailQueue("invitations", _valid, _message)
