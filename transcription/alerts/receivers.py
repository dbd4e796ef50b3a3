"""Who is told of alerts: operators who want mails, and operators' webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.db import transaction
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from tenants.models import User
from transcription.alerts import messages
from transcription.alerts.models import Message, Receiver
from transcription.errors import InvalidOption, Refused
from transcription.outbound import requests
from transcription.outbound.errors import OutboundError
from transcription.webhooks import signing

PERMISSION = "transcription.view_operations"
MOST_WEBHOOKS = 10


@dataclass(frozen=True)
class Shown:
    """A webhook with its secret, which is shown only once."""

    receiver: Receiver
    secret: str


def webhooks() -> list[Receiver]:
    return list(Receiver.objects.exclude(url=""))


def wants_mail(user: User) -> bool:
    return Receiver.objects.filter(user=user).exists()


def set_mail(user: User, wanted: bool) -> None:
    """Begins or ends mails to an operator, in the language of the request."""
    if wanted:
        Receiver.objects.update_or_create(user=user, defaults={"language": get_language() or "en"})
    else:
        Receiver.objects.filter(user=user).delete()


def may_have_mail(user: User | None) -> bool:
    """Returns whether somebody still is an operator who may see the alerts."""
    return user is not None and user.is_active and user.is_staff and user.has_perm(PERMISSION)


def add_webhook(url: str, by: User) -> Shown:
    """Adds a webhook; resolves its host, and connects to nothing. Raises InvalidOption and Refused."""
    try:
        checked = requests.check(url.strip())
    except OutboundError as error:
        raise InvalidOption("url", str(error), error.code) from error
    receiver_id = uuid4()
    made = signing.make(receiver_id)
    with transaction.atomic():
        others = Receiver.objects.exclude(url="").order_by("id")
        list(others.select_for_update())  # so that two who add at once can't pass the limit together
        if others.count() >= MOST_WEBHOOKS:
            message = _("There are %(n)d webhooks already. Delete one first.")
            raise Refused("too_many_webhooks", message % {"n": MOST_WEBHOOKS})
        row = Receiver.objects.create(id=receiver_id, url=checked, salt=made.salt, digest=made.digest)
        _note(by, row, ADDITION)
    return Shown(row, made.secret)


def remove_webhook(receiver_id: UUID, by: User) -> bool:
    """Returns False where there is none."""
    row = Receiver.objects.filter(id=receiver_id).exclude(url="").first()
    if row is None:
        return False
    with transaction.atomic():
        _note(by, row, DELETION)
        row.delete()
    return True


def test_webhook(receiver_id: UUID) -> bool:
    """Sends a test soon. Returns False where there is no such webhook."""
    row = Receiver.objects.filter(id=receiver_id).exclude(url="").first()
    if row is not None:
        messages.message(row, Message.About.TEST).save(force_insert=True)
    return row is not None


def _note(by: User, row: Receiver, kind: int) -> None:
    LogEntry.objects.log_actions(by.pk, Receiver.objects.filter(id=row.id), kind, row.host, single_object=True)
