"""Template tags and filters of the portal's pages."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, time
from functools import lru_cache
from uuid import UUID

from django import template
from django.template import Context
from django.template.defaultfilters import date as date_format
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import escape, format_html, json_script
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy, ngettext, pgettext
from django.utils.translation import gettext as _

from portal.preferences import speakers_choices
from portal.web import strings
from portal.web import tracks as tracks_of
from portal.web.forms import other_options
from portal.web.languages import language_name
from portal.web.undo import move_to_undo, name_to_undo, recording_to_restore
from portal.web.word_positions import word_positions
from tenants import units
from tenants.access import Actor
from tenants.audit import ACTIONS
from tenants.models import Tenant
from tenants.notices import LOWEST
from tenants.session_access import PAGE_TENANT_FIELD
from tenants.templatetags.moments import last_day
from transcription.errors import reason_for_people
from transcription.exports import WRITERS, spoken_language, text_language
from transcription.fetches import access as fetches
from transcription.fetches import failures as fetch_failures
from transcription.folders.folders import label
from transcription.models import Folder, Mode, Recording, Revision, Segment, Transcription
from transcription.options import audio_tracks
from transcription.search import Match, TextSpan, excerpt
from transcription.transcripts.checks import Checked
from transcription.transcripts.revisions import list_tag, segment_tag
from transcription.webhooks import failures as webhook_failures
from transcription.webhooks.models import Attempt, Delivery

register = template.Library()
FORM_FIELDS = "form_fields"
NOBODYS = UUID(int=0)
ROW_LABELS = {
    "select": gettext_lazy("Select %(name)s"),
    "favourite": gettext_lazy("%(name)s is a favourite of mine"),
    "actions": gettext_lazy("Actions for %(name)s"),
}
register.filter("language_name", language_name)
register.filter("text_language", text_language)
register.simple_tag(fetches.recent, name="recent_fetches")
register.filter("reason", reason_for_people)
register.filter("undone_recording", recording_to_restore)
register.filter("undone_name", name_to_undo)
register.filter("undone_move", move_to_undo)
register.filter("audio", units.audio)
register.filter("fetch_reason", fetch_failures.reason_for_people)
register.filter("segment_tag", segment_tag)
register.filter("list_tag", list_tag)
register.filter("track_label", tracks_of.label)
register.filter("other_options", other_options)


@register.simple_tag
@lru_cache(maxsize=1000)
def icon(name: str, size: str = "") -> SafeString:
    """Renders a decorative icon of the sprite; the text next to it carries the meaning."""
    css_class = f"icon icon--{size}" if size else "icon"
    address = static("vendor/lucide/icons.svg")
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}#{}"></use></svg>', css_class, address, name)


@register.simple_tag(takes_context=True)
def form_fields(context: Context) -> SafeString:
    """Renders the hidden fields of every writing form: the CSRF token and the tenant that the page was rendered for."""
    known: SafeString | None = context.get(FORM_FIELDS)
    if known is not None:
        return known
    fields = format_html('<input type="hidden" name="csrfmiddlewaretoken" value="{}">', context["csrf_token"])
    actor = context.get("actor")
    tenant_id = actor.tenant.pk if actor else ""
    fields += format_html('<input type="hidden" name="{}" value="{}">', PAGE_TENANT_FIELD, tenant_id)
    context.dicts[0][FORM_FIELDS] = fields  # a list has them in each of its rows
    return fields


@register.simple_tag
def page_strings() -> SafeString:
    return _page_strings(get_language() or "")


@lru_cache
def _page_strings(language: str) -> SafeString:
    return json_script(strings.page_strings(), "strings")


@register.simple_tag
def url_of(name: str, row_id: UUID | None = None, *rest: str) -> str:
    """Returns what `url` does, for a row or for none, in a tenth of its time: lists have several in each row."""
    return _url_of(name, NOBODYS, *rest).replace(str(NOBODYS), str(row_id)) if row_id else _url_of(name)


@lru_cache
def _url_of(name: str, *arguments: UUID | str) -> str:
    return reverse(name, args=arguments)


@register.filter
def action_name(action: str) -> str:
    """Returns the name of an audit action; the action itself if it has none."""
    return str(ACTIONS.get(action, action))


@register.filter
def may(actor: Actor, permission: str) -> bool:
    return actor.may(permission)


@register.filter
def mode_name(transcription: Transcription) -> str:
    """Returns the mode that was used, or the requested one; empty while it is automatic."""
    mode = transcription.mode_taken or transcription.mode
    return "" if mode == Mode.AUTO else str(Mode(mode).label)


@register.filter
def checked_sentence(transcription: Transcription | None, states: dict[UUID, Checked]) -> str:
    """Says how much of a transcription was checked and by whom; empty where nothing was."""
    return states[transcription.pk].sentence if transcription and transcription.pk in states else ""


@register.filter
def speakers_asked(transcription: Transcription) -> str:
    """Returns how many speakers were to be found, in the words of the form."""
    return dict(speakers_choices()).get(transcription.speakers, transcription.speakers)


@register.filter
def taken_track(transcription: Transcription) -> str:
    """Returns the label of the transcribed audio track; empty if the recording has only one."""
    numbered = audio_tracks.numbered(transcription.recording)
    taken = [track for track in numbered if track["number"] == transcription.audio_track_taken]
    return tracks_of.label(taken[0]) if taken and len(numbered) > 1 else ""


@register.filter
def clock(seconds: float | None) -> str:
    """Formats a time as `1:05` or `1:02:05`."""
    whole = max(0, int(seconds or 0))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


@register.filter
def span(seconds: float) -> str:
    """Formats a limit as `4 h`, `1 h 30 min` or `10 min`."""
    hours, minutes = divmod(round(seconds / 60), 60)
    parts = [_("{n} h").format(n=hours)] if hours else []
    if minutes or not hours:
        parts.append(_("{n} min").format(n=minutes))
    return " ".join(parts)


@register.filter
def delivery_reason(row: Delivery | Attempt) -> str:
    """Returns why a webhook's delivery, or one attempt at it, failed."""
    if isinstance(row, Delivery):
        return webhook_failures.reason_for_people(row.last_error, row.last_status)
    return webhook_failures.reason_for_people(row.error, row.status)


@register.filter
def whole_minutes(seconds: float) -> int:
    """Returns minutes, rounded down so that a remainder is never overstated."""
    return int(seconds // 60)


@register.filter
def wait(seconds: float) -> str:
    """Formats an estimated wait."""
    if seconds < 50:
        return _("less than a minute")
    return _("about {minutes} min").format(minutes=max(1, round(seconds / 60)))


@register.filter
def alarm(percent: int) -> str:
    """Returns the CSS class of a usage bar; it changes at the percentages of notices."""
    if percent >= 100:
        return "is-bad"
    return "is-warn" if percent >= LOWEST else ""


@register.filter
def day(moment: datetime) -> str:
    """Formats a date without its year in the page's language, as `1 December`."""
    return date_format(moment, pgettext("date format", "j F"))


@register.filter
def month_name(month: date) -> str:
    """Formats a month in the page's language, as `November 2026`."""
    return date_format(month, pgettext("date format", "F Y"))


@register.filter(expects_localtime=True)
def time_element(moment: datetime) -> SafeString:
    """Renders a date and time in the page's language; scripts convert it to the reader's time zone."""
    words = date_format(moment, pgettext("date format", "j M Y, H:i"))
    return format_html('<time datetime="{}" data-local>{}</time>', moment.isoformat(), words)


@register.filter(expects_localtime=True)
def expiry(moment: datetime) -> str:
    """Renders an expiry at the end of a day as that day, any other as its date and time."""
    return last_day(moment) if moment.time() == time() else time_element(moment)


@register.filter
def row_version(recording: Recording, latest: Transcription | None) -> str:
    """Tells a row's states apart, but for what a person or a search adds."""
    version = f"{recording.name}-{recording.folder}"
    return f"{version}-{latest.pk}-{latest.status}-{latest.sequence}-{latest.checked_share}" if latest else version


@register.filter
def row_label(name: str, control: str) -> str:
    """Returns the label of a control in a recording's row, as `blocktranslate` does in ten times the time."""
    return ROW_LABELS[control] % {"name": name}


@register.filter
def deletion(name: str, tenant: Tenant) -> str:
    """Says what deleting the recording of that name does."""
    return _deletion(tenant.bin_days, get_language() or "") % {"name": name}


@lru_cache
def _deletion(days: int, _language: str) -> str:
    told = _("“%(name)s” and its transcripts will be removed for everybody in your organisation.")
    if days:
        kept = ngettext("It stays in the bin for %(days)s day.", "It stays in the bin for %(days)s days.", days)
        told += " " + kept % {"days": days}
    return told


@register.filter
def words(text: str) -> list[str]:
    return text.split()


@register.filter
def trimmed(text: str) -> str:
    return text.strip()


@register.filter
def unlocalized(number: float) -> str:
    """Formats a number with a decimal point for scripts, whatever the page's language."""
    return f"{number:.3f}"


@register.filter
def highlight_names(colours: str) -> list[tuple[str, str]]:
    """Returns the colours of highlights with how their line below the words looks, which tells them apart, too."""
    return list(zip(colours, (_("plain line"), _("double line"), _("dashed line"), _("wavy line")), strict=True))


@register.filter
def strike_notes(revision: Revision) -> list[str]:
    """Returns what a revision struck out, and gave back, by the clock."""
    told = {"added": _("Struck out: %(spans)s."), "removed": _("Given back: %(spans)s.")}
    spans = {name: [f"{clock(one[0])}–{clock(one[1])}" for one in revision.struck.get(name, [])[:20]] for name in told}
    return [told[name] % {"spans": ", ".join(shown)} for name, shown in spans.items() if shown]


@register.filter
def word_marks(segment: Segment) -> str:
    """Returns JSON for `static/js/words.js`; empty without timed words."""
    return json.dumps(word_positions(segment), separators=(",", ":")) if segment.words else ""


@register.filter
def uploader(recording: Recording) -> str:
    """Returns the name of the user or key that added a recording; empty if both have been deleted."""
    return str(recording.created_by or (recording.api_key.name if recording.api_key else ""))


@register.filter
def spoken(transcription: Transcription | None) -> str:
    """Returns the language code of the audio; empty if unknown."""
    return spoken_language(transcription) if transcription else ""


@register.filter
def speed(transcription: Transcription) -> str:
    """Returns how many times faster than real time it was transcribed; empty if too short to measure."""
    seconds = transcription.processing_seconds
    return f"{transcription.recording.duration_seconds / seconds:.1f}" if seconds and seconds > 0.05 else ""


@register.simple_tag
def export_formats(chosen: str = "") -> list[tuple[str, str]]:
    """Returns the export formats with their names: all of them, or those that are `chosen`, with spaces between."""
    names = {
        "txt": _("Text"),
        "srt": _("Subtitles (SubRip)"),
        "vtt": _("Subtitles (WebVTT)"),
        "json": _("Everything (JSON)"),
        "tsv": _("Table"),
        "docx": _("Document (Word)"),
    }
    wanted = chosen.split()
    return [(format, names.get(format, format)) for format in WRITERS if not wanted or format in wanted]


@register.filter
def found_in(passages: dict[UUID, list[Match]], transcription: Transcription | None) -> list[Match]:
    """Returns where a search's words stand in a transcription, each passage from shortly before them on."""
    found = passages.get(transcription.pk, []) if transcription else []
    return [replace(match, parts=excerpt(match.parts)) for match in found]


@register.filter
def marked(parts: list[TextSpan]) -> SafeString:
    """Renders a passage with what matches marked."""
    return SafeString("".join(f"<mark>{escape(one.text)}</mark>" if one.match else escape(one.text) for one in parts))


@register.filter
def folder_label(folder: Folder, actor: Actor) -> str:
    """Returns how a folder is called to the actor."""
    return label(actor, folder)
