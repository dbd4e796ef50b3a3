"""What people may choose and type."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django import forms
from django.http import QueryDict
from django.template.loader import render_to_string
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from portal import preferences
from portal.preferences import offered, speakers_choices
from portal.web import tracks
from portal.web.languages import language_choices
from tenants.models import LONGEST_HOTWORDS, Tenant
from tenants.people_addresses import NetworksField
from transcription.library.filters import CHECKED, EVERYBODY, PEOPLE, PROGRAMS, TO_CHECK, Filter
from transcription.library.orders import LABELS, NEWEST
from transcription.library.saved_views import TEXTS
from transcription.models import Mode, Recording, Status, Transcription
from transcription.options import tenant_defaults
from transcription.options.offered_models import default_model, knows, offered_models
from transcription.options.options import LONGEST_PROMPT, OPTIONS, TranscriptionOptions

CAREFUL_BEAMS = 5
NOT_OFFERED = ("prompt", "temperature")
SHOWN_FIRST = ("language", "task", "speakers", "model", "audio_track")


def model_choices(tenant: Tenant | None = None) -> list[tuple[str, str]]:
    """Returns the models to choose from, and the tenant's default without its name: short clips may go elsewhere."""
    by_name = offered()
    usual = tenant.default_model if tenant and tenant.default_model in offered_models() else default_model()
    default = ("", gettext("Default (%(name)s)") % {"name": usual})
    return [default, *by_name] if len(by_name) > 1 else by_name


def mode_choices(tenant: Tenant | None = None) -> list[tuple[str, str]]:
    """Returns each mode with what it is good for; the automatic one is what the organisation has chosen."""
    usual = Mode(tenant.default_mode).label if tenant else ""
    return [
        (Mode.AUTO, gettext("Default (%(name)s)") % {"name": usual} if usual else gettext("Default")),
        (Mode.EXACT, gettext("Exact: one piece after the other, as openai-whisper does")),
        (Mode.FAST, gettext("Fast: cut at pauses, pieces side by side")),
    ]


def requested_speakers_choices(tenant: Tenant | None = None) -> list[tuple[str, str]]:
    """Returns what the tenant has chosen, by its name, before the others."""
    usual = dict(speakers_choices()).get(tenant.speakers if tenant else "")
    return [("", gettext("Default (%(name)s)") % {"name": usual} if usual else gettext("Default")), *speakers_choices()]


def spoken_language_choices() -> list[tuple[str, str]]:
    """Returns the languages that at least one of the models offered knows."""
    return [(code, name) for code, name in language_choices() if not code or not all(unknown_to(code).values())]


def unknown_to(code: str) -> dict[str, bool]:
    """Returns for each model whether it does not know a language; "default" is the default one."""
    models = {name: not knows(name, code) for name in offered_models()}
    return models | {"default": models[default_model()]}


class LanguageSelect(forms.Select):
    """Tells the page which models don't know a language: static/js/languagemenu.js."""

    def create_option(self, name: str, value: Any, *args: Any, **more: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **more)
        unknown = [model for model, is_unknown in unknown_to(str(value)).items() if is_unknown] if value else []
        if unknown:
            option["attrs"]["data-unknown-to"] = " ".join(unknown)
        return option


class LinesField(forms.CharField):
    """Several lines. Browsers send a line's end as two characters and count it as one: so do we."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value) or "").replace("\r\n", "\n")


class OptionsForm(forms.Form):
    """How a recording is to be transcribed. Offers the choices; TranscriptionOptions checks them.

    An option that is not declared here has the field of its column.
    """

    field_order = (*SHOWN_FIRST, "mode", "languages", "hotwords", "word_timestamps")
    language = forms.ChoiceField(
        label=_("Spoken language"), choices=spoken_language_choices, required=False, widget=LanguageSelect
    )
    speakers = forms.ChoiceField(label=_("Speakers"), choices=requested_speakers_choices, required=False)
    model = forms.ChoiceField(label=_("Model"), choices=model_choices, required=False)
    mode = forms.ChoiceField(label=_("Mode"), choices=mode_choices, initial=Mode.AUTO, required=False)
    hotwords = LinesField(
        label=_("Names and terms"),
        max_length=LONGEST_HOTWORDS,
        required=False,
        help_text=_("How they are spelt, with commas between them."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    audio_track = forms.ChoiceField(label=_("Audio track"), required=False)
    beam_size = forms.BooleanField(
        label=_("Search more carefully (beam search)"),
        required=False,
        widget=forms.CheckboxInput(attrs={"value": CAREFUL_BEAMS}),
    )

    def __init__(self, *args: Any, tenant: Tenant | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self.tenant = tenant
        self.fields["model"].choices = model_choices(tenant)  # type: ignore[attr-defined]
        self.fields["mode"].choices = mode_choices(tenant)  # type: ignore[attr-defined]
        self.fields["speakers"].choices = requested_speakers_choices(tenant)  # type: ignore[attr-defined]
        columns = [name for name in OPTIONS if name not in (*self.fields, *NOT_OFFERED)]
        labels = {"task": gettext("Text"), "word_timestamps": gettext("Word times")}
        codes = gettext(
            "Such as English, German or pl, with commas between them: the language is detected among these."
        )
        self.fields |= forms.fields_for_model(Transcription, columns, labels=labels, help_texts={"languages": codes})
        self.order_fields(self.field_order)

    @classmethod
    def like(cls, transcription: Transcription) -> OptionsForm:
        """Returns a form with the options of an earlier transcription, as far as they are still offered."""
        options = TranscriptionOptions.from_row(transcription).columns | {
            "hotwords": tenant_defaults.requested_hotwords(transcription, transcription.tenant),
            "beam_size": transcription.beam_size > 1,
            "languages": tenant_defaults.requested_languages(transcription, transcription.tenant).replace(",", ", "),
            "speakers": tenant_defaults.requested_speakers(transcription, transcription.tenant),
        }
        model = tenant_defaults.requested_model(transcription, transcription.tenant)
        options["model"] = model if model in offered_models() else ""
        form = cls(initial=options, auto_id="again_%s", tenant=transcription.tenant)
        form.offer_tracks(transcription)
        form.offer_speakers(options["speakers"])
        return form

    def offer_tracks(self, transcription: Transcription) -> None:
        """Offers the recording's audio tracks where it has several; the one that was taken is chosen."""
        if len(transcription.recording.audio_tracks) > 1:
            self.fields["audio_track"].choices = tracks.choices(transcription.recording)  # type: ignore[attr-defined]
            self.initial["audio_track"] = str(transcription.audio_track or "")

    def offer_speakers(self, taken: str) -> None:
        """Offers what was taken, which may be another range than those that most people need."""
        choices = requested_speakers_choices(self.tenant)
        if taken not in dict(choices):
            choices.append((taken, taken))
        self.fields["speakers"].choices = choices  # type: ignore[attr-defined]

    @property
    def has_tracks(self) -> bool:
        return bool(self["audio_track"].field.choices)  # type: ignore[attr-defined]

    @property
    def more(self) -> list[forms.BoundField]:
        """The fields that most people leave as they are."""
        return [self[name] for name in self.fields if name not in SHOWN_FIRST]

    @property
    def is_more_set(self) -> bool:
        return any((field.value() or "") not in ("", field.field.initial) for field in self.more)


def new_options(tenant: Tenant) -> tuple[SafeString, SafeString]:
    """Renders the fields of a new transcription in a tenant: the first ones, and those that are folded up."""
    defaults = (tenant.default_model, tenant.default_mode, tenant.speakers)
    return _new_options(*defaults, offered_models(), get_language() or "")


@lru_cache(maxsize=100)
def _new_options(
    model: str, mode: str, speakers: str, _models: tuple[str, ...], _language: str
) -> tuple[SafeString, SafeString]:
    form = OptionsForm(tenant=Tenant(default_model=model, default_mode=mode, speakers=speakers))
    first, more = (render_to_string(f"web/_{part}_options.html", {"form": form}) for part in ("first", "more"))
    return first, more


class RehearingForm(forms.Form):
    """How some lines of a transcript are to be heard again: at first as they were, but searched more carefully."""

    language = OptionsForm.base_fields["language"]
    model = forms.ChoiceField(label=_("Model"), choices=offered)
    prompt = forms.CharField(
        label=_("What it is about"),
        max_length=LONGEST_PROMPT,
        required=False,
        help_text=_("Words that are said there, or the sentence before: the model hears such words sooner."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    beam_size = OptionsForm.base_fields["beam_size"]

    @classmethod
    def like(cls, transcription: Transcription) -> RehearingForm:
        own = {name: getattr(transcription, name) for name in ("language", "model", "prompt")}
        return cls(initial=own | {"beam_size": True}, auto_id="rehear_%s")


def other_options(transcription: Transcription) -> list[tuple[str, str]]:
    """Returns label and value of what was chosen of the options that have the field of their column."""
    found = []
    for name, field in OptionsForm().fields.items():
        value = getattr(transcription, name)
        if name not in (*OptionsForm.base_fields, "task", "languages") and value != field.initial:
            display = getattr(transcription, f"get_{name}_display", None)
            found.append((str(field.label), gettext("Yes") if value is True else str(display() if display else value)))
    return found


class PreferencesForm(preferences.PreferencesForm):
    """The same on a page: browsers end lines with two characters."""

    class Meta(preferences.PreferencesForm.Meta):
        field_classes = {"hotwords": LinesField}
        widgets = {"hotwords": forms.Textarea(attrs={"rows": 5})}


class AddressesForm(forms.Form):
    """From where an organisation's people are let in."""

    people_addresses = NetworksField(
        label=_("Allowed addresses of people"),
        help_text=_(
            "IP addresses and networks such as 203.0.113.0/24 or 2001:db8::/32, one a line: from elsewhere nobody gets "
            "to the organisation’s pages. Empty: from anywhere. API keys have addresses of their own, and share links "
            "are for everybody."
        ),
    )

    def __init__(self, tenant: Tenant, sent: QueryDict | None = None) -> None:
        super().__init__(sent, initial={"people_addresses": tenant.people_addresses})


FOLDED_UP = ("status", "checked", "owner", "source", "key", "tag", "favourite", "held")


class FilterForm(forms.Form):
    """Which recordings the library shows, and in which order. Whatever is not offered is passed over."""

    by = forms.ChoiceField(
        required=False, choices=[(PEOPLE, _("By people")), (PROGRAMS, _("By API")), (EVERYBODY, _("All"))]
    )
    key = forms.CharField(required=False, max_length=TEXTS["key"])
    owner = forms.CharField(required=False, max_length=TEXTS["owner"])
    source = forms.ChoiceField(
        required=False,
        choices=[
            ("", _("Uploaded or recorded")),
            (Recording.Source.UPLOAD, _("Uploaded")),
            (Recording.Source.MICROPHONE, _("Recorded here")),
        ],
    )
    folder = forms.CharField(required=False, max_length=TEXTS["folder"])
    tag = forms.CharField(required=False, max_length=TEXTS["tag"])
    favourite = forms.ChoiceField(required=False, choices=[("", ""), ("1", _("Favourites"))])
    held = forms.ChoiceField(required=False, choices=[("", ""), ("1", _("On legal hold"))])
    search = forms.CharField(required=False, max_length=TEXTS["search"])
    status = forms.ChoiceField(required=False, choices=[("", _("Any status")), *Status.choices])
    checked = forms.ChoiceField(
        required=False,
        choices=[("", _("Checked or not")), (TO_CHECK, _("To proofread, worst first")), (CHECKED, _("Checked"))],
    )
    order = forms.ChoiceField(required=False, choices=[("", LABELS[NEWEST]), *list(LABELS.items())[1:]])

    @cached_property
    def wanted(self) -> Filter:
        """The choices that stand the check; those of people where people's are shown, of programs where theirs are."""
        names = ["search", "folder", "status", "checked", "tag", "favourite", "held"]
        names += {PEOPLE: ["owner", "source"], PROGRAMS: ["key"]}.get(self.shown, [])
        chosen: dict[str, Any] = {name: self.chosen(name) for name in names}
        return Filter(**chosen, by="" if self.shown == EVERYBODY else self.shown)

    @property
    def narrowed(self) -> int:
        """How many of the choices that the page folds up are made."""
        wanted = self.wanted
        return sum(bool(getattr(wanted, name)) for name in FOLDED_UP)

    @property
    def shown(self) -> str:
        """Whose recordings are shown: PEOPLE, PROGRAMS or EVERYBODY."""
        return self.chosen("by") or EVERYBODY

    def chosen(self, name: str) -> str:
        self.is_valid()
        return str(self.cleaned_data.get(name, ""))
