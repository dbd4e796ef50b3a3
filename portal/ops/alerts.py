"""The operators' page of alerts: what fires, pauses, and who is told."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tenants import database_clock
from tenants.models import User
from transcription.alerts import receivers, rules, shown, silences
from transcription.alerts.evaluation import last_evaluated
from transcription.alerts.models import Silence
from transcription.errors import InvalidOption, Refused

SPANS = {
    "1": _("one hour"),
    "4": _("four hours"),
    "24": _("a day"),
    "168": _("a week"),
    "720": _("30 days"),
}


class PauseForm(forms.Form):
    """Which alert is paused: by its rule, and by its subject after a space, where it is of one alone."""

    which = forms.CharField(label=_("Alert"), max_length=170)
    hours = forms.ChoiceField(label=_("Pause for"), choices=list(SPANS.items()))
    reason = forms.CharField(label=_("Reason"), max_length=200)

    def clean_which(self) -> tuple[str, str]:
        """Raises ValidationError."""
        name, _space, subject = self.cleaned_data["which"].partition(" ")
        if name not in rules.RULES:
            raise forms.ValidationError(gettext("There is no such alert."))
        return name, subject[:120]


def context(user: User) -> dict[str, Any]:
    """Returns what the page shows."""
    now, firing = database_clock.now(), shown.firing()
    return {
        "at": now,
        "firing": firing,
        "past": shown.past(),
        "pauses": silences.going_on(now),
        "choices": [(str(one.alert), one.text) for one in firing if one.alert.subject],
        "rules": rules.RULES.values(),
        "spans": SPANS.items(),
        "mails": receivers.wants_mail(user),
        "webhooks": receivers.webhooks(),
        "evaluated": last_evaluated(),
        "runbook": rules.runbook(),
        "runbook_is_link": rules.runbook().startswith("http"),
    }


def pause(request: HttpRequest, user: User) -> None:
    form = PauseForm(request.POST)
    if not form.is_valid():
        errors = (f"{form.fields[field].label}: {' '.join(map(str, found))}" for field, found in form.errors.items())
        messages.error(request, " ".join(errors))
        return
    name, subject = form.cleaned_data["which"]
    span = timedelta(hours=int(form.cleaned_data["hours"]))
    row = silences.begin(name, subject, span, form.cleaned_data["reason"], user)
    messages.success(request, gettext("Paused: %(alert)s.") % {"alert": row})


def end_pause(request: HttpRequest, user: User) -> None:
    number = request.POST.get("pause", "")
    row = Silence.objects.filter(pk=number).first() if re.fullmatch(r"[0-9]{1,18}", number) else None
    if row is not None and silences.end(row, user):
        messages.success(request, gettext("The pause is over: %(alert)s.") % {"alert": row})


def set_mail(request: HttpRequest, user: User) -> None:
    wanted = request.POST["do"] == "mail"
    receivers.set_mail(user, wanted)
    words = (
        gettext("Alerts are mailed to %(email)s.")
        if wanted
        else gettext("Alerts are not mailed to %(email)s any more.")
    )
    messages.success(request, words % {"email": user.email})


def add_webhook(request: HttpRequest, user: User) -> receivers.Shown | None:
    """Returns the webhook with its secret, which is shown once; None where it was refused."""
    try:
        return receivers.add_webhook(request.POST.get("url", ""), user)
    except (InvalidOption, Refused) as error:
        messages.error(request, str(error))
    return None


def change_webhook(request: HttpRequest, user: User) -> None:
    """Removes a webhook, or sends it a test."""
    try:
        receiver_id = UUID(request.POST.get("webhook", ""))
    except ValueError:
        return
    if request.POST["do"] == "test":
        if receivers.test_webhook(receiver_id):
            messages.success(request, gettext("A test is sent within seconds."))
    elif receivers.remove_webhook(receiver_id, user):
        messages.success(request, gettext("The webhook was removed."))
