"""The form of a rule, and its conditions and effects in words."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from portal.preferences import offered, speakers_choices
from portal.web.forms import NOT_OFFERED, OptionsForm
from portal.web.languages import language_choices
from portal.web.refusable_form import RefusableForm
from tenants.access import Actor
from tenants.models import ApiKey, Member
from transcription.exchange.models import Place
from transcription.exports import WRITERS
from transcription.folders import folders
from transcription.models import Tag, Transcription, Way
from transcription.rules.conditions import LONGEST_PATTERN, Channels
from transcription.rules.effects import GIVEN_OPTIONS, LONGEST_DAYS
from transcription.rules.models import LONGEST_RULE_NAME, Rule
from transcription.webhooks.models import Endpoint

Choices = list[tuple[str, str]]
SECONDS_OF = {"least_minutes": "least_seconds", "most_minutes": "most_seconds"}


class Named:
    """What conditions and effects name by their ids, as the actor reads it; read once for a page."""

    def __init__(self, actor: Actor) -> None:
        shared = folders.visible(actor).filter(is_private=False)
        self.keys: Choices = _choices(ApiKey.objects.filter(tenant=actor.tenant).order_by("name", "id"), "name")
        people = Member.objects.filter(tenant=actor.tenant).select_related("user").order_by("user__email")
        self.members: Choices = [(str(one.user_id), one.user.email) for one in people]
        self.folders: Choices = _choices(shared, "name")
        self.tags: Choices = _choices(Tag.objects.filter(tenant=actor.tenant), "name")
        hooks = Endpoint.objects.filter(tenant=actor.tenant, deleted_at=None, only_by_rules=True)
        places = Place.objects.filter(tenant=actor.tenant).exclude(kind=Place.Kind.MAILBOX)
        self.places: Choices = _choices(places, "name")
        self.webhooks: Choices = [(str(one.id), one.description or one.host) for one in hooks]

    def conditions_of(self, rule: Rule) -> list[str]:
        found, asked = [], rule.conditions
        if "way" in asked:
            found.append(_("came by: %(what)s") % {"what": dict(Way.choices).get(asked["way"], asked["way"])})
        if "key" in asked:
            found.append(_("with the key %(name)s") % {"name": _name(self.keys, asked["key"])})
        if "member" in asked:
            found.append(_("from %(name)s") % {"name": _name(self.members, asked["member"])})
        if "folder" in asked:
            found.append(_("for the folder %(name)s") % {"name": _name(self.folders, asked["folder"])})
        if "file" in asked:
            found.append(_("named %(name)s") % {"name": asked["file"]})
        if "sender" in asked:
            found.append(_("mailed by %(name)s") % {"name": asked["sender"]})
        if "least_seconds" in asked:
            found.append(_("at least %(n)s min long") % {"n": _minutes(asked["least_seconds"])})
        if "most_seconds" in asked:
            found.append(_("at most %(n)s min long") % {"n": _minutes(asked["most_seconds"])})
        if "channels" in asked:
            label = dict(Channels.choices).get(asked["channels"], "")
            found.append(_("channels: %(label)s") % {"label": label})
        return found or [_("everything that arrives")]

    def effects_of(self, rule: Rule) -> list[str]:
        given = rule.effects
        found = [_option_in_words(name, value) for name, value in given.get("options", {}).items()]
        if "tags" in given:
            found.append(_("tags: %(names)s") % {"names": ", ".join(_name(self.tags, one) for one in given["tags"])})
        if "folder" in given:
            found.append(_("folder: %(name)s") % {"name": _name(self.folders, given["folder"])})
        if (days := given.get("audio_days")) is not None:
            found.append(ngettext("audio kept %(n)d day", "audio kept %(n)d days", days) % {"n": days})
        if (days := given.get("text_days")) is not None:
            found.append(ngettext("text kept %(n)d day", "text kept %(n)d days", days) % {"n": days})
        if "webhooks" in given:
            names = ", ".join(_name(self.webhooks, one) for one in given["webhooks"])
            found.append(_("tells: %(names)s") % {"names": names})
        for one in given.get("deliveries", []):
            what = {"formats": ", ".join(one["formats"]), "place": _name(self.places, one["place"])}
            found.append(_("writes %(formats)s to %(place)s") % what)
        return found


class RuleForm(RefusableForm):
    """Conditions and effects, but for the options, which have a form of their own; `editing` checks them all."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=LONGEST_RULE_NAME, required=False)
    is_active = forms.BooleanField(label=gettext_lazy("Switched on"), required=False, initial=True)
    way = forms.ChoiceField(label=gettext_lazy("Came by"), required=False)
    key = forms.ChoiceField(label=gettext_lazy("With the API key"), required=False)
    member = forms.ChoiceField(label=gettext_lazy("Uploaded by"), required=False)
    folder = forms.ChoiceField(label=gettext_lazy("For the folder"), required=False)
    file = forms.CharField(
        label=gettext_lazy("File name"),
        max_length=LONGEST_PATTERN,
        required=False,
        help_text=gettext_lazy("A pattern: * stands for anything, ? for one character, as in board-*.mp3."),
    )
    sender = forms.CharField(
        label=gettext_lazy("Sender of an e-mail"),
        max_length=LONGEST_PATTERN,
        required=False,
        help_text=gettext_lazy("A pattern, too, such as *@example.org."),
    )
    least_minutes = forms.FloatField(
        label=gettext_lazy("At least so many minutes long"), min_value=0, max_value=10_080, required=False
    )
    most_minutes = forms.FloatField(
        label=gettext_lazy("At most so many minutes long"), min_value=0, max_value=10_080, required=False
    )
    channels = forms.ChoiceField(
        label=gettext_lazy("Audio channels"), choices=[("", gettext_lazy("Any")), *Channels.choices], required=False
    )
    tags = forms.CharField(
        label=gettext_lazy("Tags"),
        max_length=900,
        required=False,
        help_text=gettext_lazy("With commas between them; those that there are none of are made."),
    )
    put_in = forms.ChoiceField(label=gettext_lazy("Put into the folder"), required=False)
    audio_days = forms.IntegerField(
        label=gettext_lazy("Keep the audio for so many days"), min_value=1, max_value=LONGEST_DAYS, required=False
    )
    text_days = forms.IntegerField(
        label=gettext_lazy("Keep the text for so many days"), min_value=1, max_value=LONGEST_DAYS, required=False
    )
    webhooks = forms.MultipleChoiceField(
        label=gettext_lazy("Tell these webhooks"), required=False, widget=forms.CheckboxSelectMultiple
    )
    place = forms.ChoiceField(label=gettext_lazy("Write exports to"), required=False)
    formats = forms.MultipleChoiceField(
        label=gettext_lazy("Formats"),
        choices=[(name, name) for name in WRITERS],
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    CONDITIONS = ("way", "key", "member", "folder", "file", "sender", "least_minutes", "most_minutes", "channels")
    EFFECTS = ("put_in", "tags", "audio_days", "text_days", "webhooks", "place", "formats")
    ONLY_WITH = {"webhooks": "webhooks", "place": "place", "formats": "place"}
    """Fields that are shown where another one has something to choose."""

    def __init__(self, named: Named, data: QueryDict | None = None, rule: Rule | None = None) -> None:
        super().__init__(data, initial=_initial(named, rule) if rule else None)
        self.options_form = OptionsForm(data, initial=_initial_options(rule) if rule else None)
        models = [("", _("Default")), *offered()]
        self.options_form.fields["model"].choices = models  # type: ignore[attr-defined]
        self._kept = {name: rule.effects["options"][name] for name in _unoffered(rule)} if rule else {}
        any_one = ("", _("Any"))
        known = {"key": named.keys, "member": named.members, "folder": named.folders}
        for name, choices in known.items():
            self._offer(name, [any_one, *choices], rule.conditions.get(name) if rule else None)
        self._offer("way", [any_one, *((way.value, str(way.label)) for way in Way)])
        self._offer("put_in", [("", _("Where it was sent to")), *named.folders])
        self._offer("webhooks", named.webhooks)
        taken = rule.effects.get("deliveries", []) if rule else []
        self._offer("place", [("", _("Nowhere")), *named.places] if named.places or taken else [])
        self._more_deliveries = [one for one in taken[1:] if one["place"] in dict(named.places)]

    def _offer(self, name: str, choices: Choices, taken: str | None = None) -> None:
        """Offers what was taken, too, where it is gone."""
        gone = [(taken, _("(deleted)"))] if taken and taken not in dict(choices) else []
        self.fields[name].choices = [*choices, *gone]  # type: ignore[attr-defined]

    @property
    def condition_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.CONDITIONS]

    @property
    def effect_fields(self) -> list[forms.BoundField]:
        def has_choice(name: str) -> bool:
            return name not in self.ONLY_WITH or bool(self.fields[self.ONLY_WITH[name]].choices)  # type: ignore[attr-defined]

        return [self[name] for name in self.EFFECTS if has_choice(name)]

    @property
    def conditions(self) -> dict[str, Any]:
        chosen = {name: self.cleaned_data[name] for name in self.CONDITIONS}
        for field, name in SECONDS_OF.items():
            minutes = chosen.pop(field)
            chosen[name] = None if minutes is None else round(minutes * 60)
        return chosen

    @property
    def effects(self) -> dict[str, Any]:
        given = {name: self.cleaned_data[name] for name in ("audio_days", "text_days", "webhooks")}
        tags = [name.strip() for name in self.cleaned_data["tags"].split(",") if name.strip()]
        place, formats = self.cleaned_data["place"], self.cleaned_data["formats"]
        chosen = [{"place": place, "formats": formats}] if place else []
        given |= {"tags": tags, "folder": self.cleaned_data["put_in"], "options": self._options}
        return given | {"deliveries": [*chosen, *self._more_deliveries]}

    @property
    def _options(self) -> dict[str, Any]:
        """What differs from the form's own beginning, and what only programs can set."""
        sent = {name: self.data.get(name, "") for name in GIVEN_OPTIONS if name not in NOT_OFFERED}
        usual = {"task": "transcribe", "mode": "auto"}
        return {name: value for name, value in sent.items() if value and usual.get(name) != value} | self._kept


def _initial(named: Named, rule: Rule) -> dict[str, Any]:
    found: dict[str, Any] = {"name": rule.name, "is_active": rule.is_active} | rule.conditions
    for field, name in SECONDS_OF.items():
        if name in rule.conditions:
            found[field] = rule.conditions[name] / 60
    given = {name: rule.effects[name] for name in ("audio_days", "text_days", "webhooks") if name in rule.effects}
    known = dict(named.tags)
    names = [known[one] for one in rule.effects.get("tags", []) if one in known]
    for one in rule.effects.get("deliveries", [])[:1]:
        given |= one
    return found | given | {"tags": ", ".join(names), "put_in": rule.effects.get("folder", "")}


def _initial_options(rule: Rule) -> dict[str, Any]:
    given = dict(rule.effects.get("options", {}))
    return given | {"languages": given.get("languages", "").replace(",", ", ")}


def _unoffered(rule: Rule) -> list[str]:
    return [name for name in NOT_OFFERED if name in rule.effects.get("options", {})]


def _option_in_words(name: str, value: Any) -> str:
    if name == "language":
        value = dict(language_choices()).get(value, value)
    elif name == "speakers":
        value = dict(speakers_choices()).get(value, value)
    label = str(Transcription._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
    return _("%(label)s: %(value)s") % {"label": label, "value": _("Yes") if value is True else value}


def _choices(rows: Any, field: str) -> Choices:
    return [(str(key), name) for key, name in rows.values_list("id", field)]


def _name(choices: Choices, wanted: str) -> str:
    return dict(choices).get(wanted) or _("(deleted)")


def _minutes(seconds: int) -> str:
    return f"{seconds / 60:.4g}"
