"""The pages of folders, buckets and mailboxes: where exports go and files come from, and how that goes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise, lazy
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, by_method, member_required
from portal.web.refusable_form import RefusableForm
from tenants.access import Actor
from transcription.errors import InvalidOption, Refused
from transcription.exchange import deliveries, disk, places, trial
from transcription.exchange.models import Place
from transcription.exchange.places import LONGEST, PlaceSettings
from transcription.folders import folders
from transcription.inbox import arrivals
from transcription.outbound.errors import OutboundError

ON_A_PAGE = 25
ARRIVALS_SHOWN = 25
managers_only = member_required(places.PERMISSION)


def _by_kind(texts: dict[str, Promise]) -> SafeString:
    return format_html_join(" ", '<span data-kind="{}">{}</span>', texts.items())


def by_kind(**texts: Promise) -> Any:
    """Returns a text for each kind of place; the style sheet shows the one of the kind that is chosen."""
    return lazy(_by_kind, SafeString)(texts)


class PlaceForm(RefusableForm):
    """The settings of a place; `places` checks them."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=LONGEST["name"], required=False)
    kind = forms.ChoiceField(label=gettext_lazy("Kind"))
    path = forms.CharField(
        label=by_kind(folder=gettext_lazy("Folder"), bucket=gettext_lazy("Prefix"), mailbox=gettext_lazy("Folder")),
        max_length=LONGEST["path"],
        required=False,
        help_text=by_kind(
            folder=gettext_lazy("Exports go to “out” below it, files come from “in”. Empty for the top."),
            bucket=gettext_lazy("Exports go to “out” below it, files come from “in”. Empty for the top."),
            mailbox=gettext_lazy(
                "The folder of the mailbox that messages come to; empty for INBOX. Each is moved to “Done” or "
                "“Failed”: use a mailbox that serves nothing else."
            ),
        ),
    )
    is_watched = forms.BooleanField(
        label=gettext_lazy("Watch it: what lies in “in” becomes a recording, and is moved to “done” or “failed”"),
        required=False,
    )
    is_paused = forms.BooleanField(
        label=gettext_lazy("Pause it: nothing is written there or taken from there, and what waits goes on waiting"),
        required=False,
    )
    endpoint = forms.CharField(
        label=by_kind(
            bucket=gettext_lazy("Address of the storage service"), mailbox=gettext_lazy("Address of the mail server")
        ),
        max_length=LONGEST["endpoint"],
        required=False,
        help_text=by_kind(
            bucket=gettext_lazy("Such as https://s3.eu-central-1.amazonaws.com."),
            mailbox=gettext_lazy(
                "imaps://host, or imap://host for STARTTLS; with :port where it is not 993 or 143. The certificate "
                "must be valid."
            ),
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "url"}),
    )
    bucket = forms.CharField(label=gettext_lazy("Bucket"), max_length=LONGEST["bucket"], required=False)
    region = forms.CharField(label=gettext_lazy("Region"), max_length=LONGEST["region"], required=False)
    key_id = forms.CharField(
        label=by_kind(bucket=gettext_lazy("Access key ID"), mailbox=gettext_lazy("User name")),
        max_length=LONGEST["key_id"],
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    secret = forms.CharField(
        label=by_kind(bucket=gettext_lazy("Secret access key"), mailbox=gettext_lazy("Password")),
        max_length=LONGEST["secret"],
        required=False,
        help_text=gettext_lazy("Kept encrypted and shown to nobody. Leave it empty to keep the one that there is."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    senders = forms.CharField(
        label=gettext_lazy("Who may send"),
        max_length=LONGEST["senders"],
        required=False,
        help_text=gettext_lazy("Addresses, and domains for everybody there, such as alice@example.org or example.com."),
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off"}),
    )
    trust = forms.ChoiceField(
        label=gettext_lazy("Which senders are believed"),
        choices=Place.Trust.choices,
        required=False,
        help_text=gettext_lazy(
            "Anybody can write any sender on a message. DMARC is the check by which a receiving server finds out "
            "whether its domain sent it. Choose the second one only if your server refuses what fails that check."
        ),
    )
    authserv_id = forms.CharField(
        label=gettext_lazy("Name of the receiving server"),
        max_length=LONGEST["authserv_id"],
        required=False,
        help_text=gettext_lazy(
            "With the first choice: the first word of the header “Authentication-Results” in a message that you "
            "received, such as mx.example.org. That server must remove what others wrote in its name."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    folder = forms.ChoiceField(label=gettext_lazy("Folder for its recordings"), required=False)

    def __init__(self, actor: Actor, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        shared = folders.visible(actor).filter(is_private=False).values_list("id", "name")
        places_of_recordings = [("", _("None, or as rules say")), *((str(key), name) for key, name in shared)]
        self.fields["folder"].choices = places_of_recordings  # type: ignore[attr-defined]
        offered = [
            (kind.value, str(kind.label)) for kind in Place.Kind if kind != Place.Kind.FOLDER or disk.is_allowed()
        ]
        self.fields["kind"].choices = offered  # type: ignore[attr-defined]

    @classmethod
    def of(cls, actor: Actor, row: Place) -> PlaceForm:
        return cls(actor, initial=vars(PlaceSettings.of(row)))

    @property
    def wanted(self) -> PlaceSettings:
        return PlaceSettings(**self.cleaned_data | {"trust": self.cleaned_data["trust"] or Place.Trust.DMARC.value})


@managers_only
def show_all(request: TenantRequest) -> HttpResponse:
    return _index(request, PlaceForm(request.actor))


@managers_only
def create(request: TenantRequest) -> HttpResponse:
    form = PlaceForm(request.actor, request.POST)
    if form.is_valid():
        try:
            row = places.create(request.actor, form.wanted)
        except (InvalidOption, Refused) as error:
            form.refuse(error)
        else:
            messages.success(request, _("Made. Choose it in a rule to have exports written to it."))
            return redirect("web:place", row.id)
    return _index(request, form)


index = by_method(get=show_all, post=create)


@managers_only
def show(request: TenantRequest, place_id: UUID) -> HttpResponse:
    row = places.get(request.actor, place_id)
    return _page(request, row, PlaceForm.of(request.actor, row))


@managers_only
def change(request: TenantRequest, place_id: UUID) -> HttpResponse:
    row, form = places.get(request.actor, place_id), PlaceForm(request.actor, request.POST)
    if form.is_valid():
        try:
            places.change(request.actor, place_id, form.wanted)
        except (InvalidOption, Refused) as error:
            form.refuse(error)
        else:
            messages.success(request, _("Saved."))
            return redirect("web:place", place_id)
    return _page(request, row, form)


place = by_method(get=show, post=change)


@require_POST
@managers_only
def test(request: TenantRequest, place_id: UUID) -> HttpResponse:
    try:
        trial.carry_out(request.actor, place_id)
    except OutboundError as error:
        messages.error(request, _("It doesn’t work: %(reason)s") % {"reason": error})
    else:
        messages.success(request, _("It works. What waits for it is tried at once."))
    return redirect("web:place", place_id)


@require_POST
@managers_only
def delete(request: TenantRequest, place_id: UUID) -> HttpResponse:
    places.delete(request.actor, place_id)
    messages.success(request, _("It was deleted here. What lies there stays."))
    return redirect("web:places")


@require_POST
@managers_only
def again(request: TenantRequest, place_id: UUID, export_id: UUID) -> HttpResponse:
    deliveries.again(request.actor, place_id, export_id)
    messages.success(request, _("It is being written. Reload this page in a moment to see how it went."))
    return redirect("web:place", place_id)


def _index(request: TenantRequest, form: PlaceForm) -> HttpResponse:
    rows = places.visible(request.actor)
    return render(request, "web/places.html", {"places": rows, "form": form, "section": "preferences"})


def _page(request: TenantRequest, row: Place, form: PlaceForm) -> HttpResponse:
    sent = deliveries.of_place(request.actor, row.id)
    context = {
        "place": row,
        "form": form,
        "page": Paginator(sent, ON_A_PAGE).get_page(request.GET.get("page")),
        "arrivals": arrivals.of_place(request.actor, row.id)[:ARRIVALS_SHOWN],
        "section": "preferences",
    }
    return render(request, "web/place.html", context)
