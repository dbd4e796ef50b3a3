"""The page on which members enrol their voices, and the owners' choice whether they may."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from portal.web.access import TenantRequest, by_method, member_required
from portal.web.scripts import problem
from tenants import enrolled_voices
from tenants.access import Actor
from transcription.diarization.voices import Sample
from transcription.errors import InvalidOption, Refused
from transcription.voices import enrolment
from transcription.voices.enrolment import NotTheSame, Unsuitable

FIELDS = tuple(f"sentence{number}" for number in range(1, enrolment.SENTENCES + 1))


@dataclass(frozen=True)
class Sentence:
    """A sentence to be read, the field of its recording, and what was wrong with that."""

    field: str
    text: str
    error: str = ""


@member_required("recordings.view")
def show(request: TenantRequest) -> HttpResponse:
    return _page(request)


@member_required("recordings.view")
def enrol(request: TenantRequest) -> HttpResponse:
    enrolment.require_enrolling(request.actor)
    if not request.POST.get("agreed"):
        return _refused(request, _("Say first that you agree."))
    samples, errors = _heard(request.actor, request.FILES)
    if errors:
        return _refused(request, _("Read these sentences again."), errors)
    try:
        row = enrolment.enrol(request.actor, request.POST.get("name", ""), samples)
    except NotTheSame as other:
        return _refused(request, _("Read this sentence again."), {FIELDS[other.number]: str(other)})
    except (InvalidOption, Refused) as refused:
        return _refused(request, str(refused))
    text = _("Your voice is enrolled. New recordings in which you speak name you %(name)s.")
    messages.success(request, text % {"name": row.name})
    return JsonResponse({"enrolled": True}) if _is_script(request) else redirect("web:voice")


voice = by_method(get=show, post=enrol)


@require_POST
@member_required("recordings.view")
def check(request: TenantRequest) -> JsonResponse:
    """Says whether a recorded sentence can be used, and why not; keeps nothing of it."""
    sent = request.FILES.get("sentence")
    enrolment.require_enrolling(request.actor)
    if not isinstance(sent, UploadedFile):
        return problem(400, _("The recording is missing."))
    try:
        _listen(request.actor, sent)
    except (Unsuitable, Refused) as unsuitable:
        return problem(400, str(unsuitable))
    return JsonResponse({"good": True})


@require_POST
@member_required("recordings.view")
def revoke(request: TenantRequest) -> HttpResponse:
    """Deletes the person's own voice, their name where they were recognised, or both."""
    request.actor.require_in_person()
    assert request.actor.member is not None
    if request.POST.get("voice") and enrolled_voices.revoke(request.actor, request.actor.member):
        messages.success(request, _("Your voice was deleted. Nobody is recognised by it any more."))
    if request.POST.get("names"):
        count = enrolment.remove_names(request.actor)
        text = ngettext(
            "Your name was taken out of %(n)d transcript.", "Your name was taken out of %(n)d transcripts.", count
        )
        messages.success(request, text % {"n": count})
    return redirect("web:voice")


@require_POST
@member_required("owners.manage")
def allow(request: TenantRequest) -> HttpResponse:
    is_allowed = request.POST.get("allowed") == "yes"
    enrolled_voices.allow(request.actor, is_allowed)
    on, off = _("Members may enrol their voices now."), _("Nobody is recognised any more, and all voices were deleted.")
    messages.success(request, on if is_allowed else off)
    return redirect("web:people")


def _heard(actor: Actor, files: Mapping[str, Any]) -> tuple[list[Sample], dict[str, str]]:
    """Returns what is heard in the sentences, or, by field, what is wrong with them."""
    samples, errors = [], {}
    for field in FIELDS:
        sent = files.get(field)
        try:
            if not isinstance(sent, UploadedFile):
                raise Unsuitable(_("Read this sentence, too."))
            samples.append(_listen(actor, sent))
        except (Unsuitable, Refused) as unsuitable:
            errors[field] = str(unsuitable)
    return samples, errors


def _listen(actor: Actor, sent: UploadedFile[bytes]) -> Sample:
    """Raises PermissionDenied, Unsuitable and Refused."""
    settings.INCOMING_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=settings.INCOMING_DIR, prefix="voice-") as file:
        for chunk in sent.chunks():
            file.write(chunk)
        file.flush()
        return enrolment.listen(actor, Path(file.name), sent.name or "")


def _refused(request: TenantRequest, message: str, errors: Mapping[str, str] | None = None) -> HttpResponse:
    """Answers a script, which keeps the good recordings, or draws the page again."""
    if _is_script(request):
        return problem(400, message, sentences=errors or {})
    return _page(request, errors, message)


def _is_script(request: TenantRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _sentences(errors: Mapping[str, str]) -> list[Sentence]:
    texts = (
        _("When the sun came up over the harbour, the fishermen had already been at sea for three hours."),
        _("She asked whether the quarterly figures would be ready before the meeting on Thursday afternoon."),
        _("A quiet village lies between the river and the woods, and everybody there knows everybody else."),
    )
    return [Sentence(field, text, errors.get(field, "")) for field, text in zip(FIELDS, texts, strict=True)]


def _page(request: TenantRequest, errors: Mapping[str, str] | None = None, message: str = "") -> HttpResponse:
    member = request.actor.member
    assert member is not None
    enrolled = enrolled_voices.voice_of(member)
    context = {
        "enrolled": enrolled,
        "named": enrolment.named_transcripts(request.actor),
        "sentences": _sentences(errors or {}),
        "problem": message,
        "name": request.POST.get("name") or str(enrolled or member.user),
    }
    return render(request, "web/voice.html", context)
