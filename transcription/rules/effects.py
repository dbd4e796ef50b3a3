"""What rules give: options, tags, a folder, days of retention and webhooks, each checked when the rule is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext as _

from tenants.access import Actor
from transcription.errors import InvalidOption
from transcription.exchange.models import Place
from transcription.exports import WRITERS
from transcription.library import tags
from transcription.models import Tag
from transcription.models.tag import MOST_ON_ONE
from transcription.options.options import OPTIONS, TranscriptionOptions
from transcription.rules.conditions import as_id, shared_folder
from transcription.webhooks.models import Endpoint

NOT_BY_RULES = ("audio_track",)
"""A file without the track that a rule names would be refused."""
GIVEN_OPTIONS = tuple(name for name in OPTIONS if name not in NOT_BY_RULES)
LONGEST_DAYS = 36_500
LANGUAGES = {"language", "languages"}


def checked(actor: Actor, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the effects that were sent, without those that were left empty; makes tags that there are none of.

    Raises InvalidOption and Refused.
    """
    given = {name: value for name, value in sent.items() if value not in ("", None, [], {})}
    found = {name: CHECKS[name](actor, value) for name, value in given.items()}
    if not any(found.values()):
        raise InvalidOption(
            "effects", _("A rule gives something: choose an option, a tag, a folder or another effect.")
        )
    return {name: value for name, value in found.items() if value}


def later_wins(effects: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Puts the effects of several rules together: lists grow, of the rest the last one stays."""
    whole: dict[str, Any] = {}
    for one in effects:
        for name, value in one.items():
            if isinstance(value, list):
                value = [*whole.get(name, []), *(item for item in value if item not in whole.get(name, []))]
            elif name == "options":
                value = _without_the_other_language(whole.get(name, {}), value) | value
            whole[name] = value
    return whole


def with_defaults(asked: TranscriptionOptions, given: Mapping[str, Any]) -> TranscriptionOptions:
    """Returns the options that a request asked for, with a rule's where the request left them at their default.

    What goes together with none of the options asked for, or is no longer offered, is left out: a rule refuses nothing.
    """
    asked_for = {name for name in asked.chosen if name != "model" or asked.named_model}
    if asked_for & LANGUAGES:
        asked_for |= LANGUAGES
    free = {name: value for name, value in given.items() if name in GIVEN_OPTIONS and name not in asked_for}
    for names in (set(free), set(free) - LANGUAGES, set(free) - {"model"}, set(free) - {"model", *LANGUAGES}):
        try:
            return _merged(asked, {name: free[name] for name in free if name in names})
        except InvalidOption:
            continue
    return asked


def _merged(asked: TranscriptionOptions, given: Mapping[str, Any]) -> TranscriptionOptions:
    """Raises InvalidOption."""
    own = {name: value for name, value in asked.chosen.items() if name in OPTIONS}
    if not asked.named_model:
        del own["model"]
    whole = TranscriptionOptions.checked(asked.lane, **own | dict(given))
    return replace(whole, known_speakers=asked.known_speakers, enrolled=asked.enrolled)


def _without_the_other_language(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """A later rule that says one language, or a choice of several, replaces what an earlier one said of either."""
    dropped = LANGUAGES if LANGUAGES & later.keys() else set()
    return {name: value for name, value in earlier.items() if name not in dropped}


def _options(actor: Actor, sent: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in sent.items() if value not in ("", None, [], False)}
    if unknown := sorted(given.keys() - set(GIVEN_OPTIONS)):
        known = ", ".join(GIVEN_OPTIONS)
        message = _("A rule can’t give the option “%(name)s”. There are: %(known)s.")
        raise InvalidOption("options", message % {"name": unknown[0][:60], "known": known})
    chosen = TranscriptionOptions.from_fields(given).chosen
    kept = {name: value for name, value in chosen.items() if name in GIVEN_OPTIONS and name != "model"}
    return kept | ({"model": given["model"]} if "model" in given else {})


def _tags(actor: Actor, names: Sequence[str]) -> list[str]:
    if len(names) > MOST_ON_ONE:
        raise InvalidOption("tags", tags.too_many())
    try:
        return list(dict.fromkeys(str(tags.create(actor, name)[0].id) for name in names))
    except InvalidOption as invalid:
        raise InvalidOption("tags", str(invalid)) from invalid


def tag_names(ids: Sequence[str]) -> list[str]:
    return list(Tag.objects.filter(id__in=ids).order_by("folded").values_list("name", flat=True))


def _days(name: str) -> Any:
    def check(actor: Actor, value: int) -> int:
        if not 1 <= value <= LONGEST_DAYS:
            raise InvalidOption(name, _("It is kept from 1 to %(n)d days.") % {"n": LONGEST_DAYS})
        return value

    return check


def _webhooks(actor: Actor, ids: Sequence[str]) -> list[str]:
    named = {found for one in ids if (found := as_id(one))}
    rows = Endpoint.objects.filter(tenant=actor.tenant, id__in=named, deleted_at=None, only_by_rules=True)
    if rows.count() < len(set(ids)):
        message = _("There is no such webhook that is told only by rules. Make one on the page of webhooks first.")
        raise InvalidOption("webhooks", message)
    return sorted(map(str, named))


def _deliveries(actor: Actor, sent: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for one in sent:
        place_id = as_id(one["place"])
        known = Place.objects.filter(tenant=actor.tenant).exclude(kind=Place.Kind.MAILBOX)
        if place_id is None or not known.filter(id=place_id).exists():
            raise InvalidOption("deliveries", _("There is no such folder or bucket."))
        formats = [name for name in WRITERS if name in one["formats"]]
        if not formats or len(formats) < len(set(one["formats"])):
            message = _("Choose formats among: %(known)s.") % {"known": ", ".join(WRITERS)}
            raise InvalidOption("deliveries", message)
        found.append({"place": str(place_id), "formats": formats})
    return found


CHECKS: dict[str, Any] = {
    "options": _options,
    "tags": _tags,
    "folder": shared_folder,
    "audio_days": _days("audio_days"),
    "text_days": _days("text_days"),
    "webhooks": _webhooks,
    "deliveries": _deliveries,
}
