"""Rules for what arrives."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from portal.api.native.parsing import Count, RequestBody, Text, documented
from portal.api.native.schemas.recordings import RequestedOptions
from transcription.models import Way
from transcription.rules.conditions import LONGEST_PATTERN, Channels
from transcription.rules.models import LONGEST_RULE_NAME

Name = Annotated[Text, documented(minLength=1, maxLength=LONGEST_RULE_NAME)]


class AskedConditions(RequestBody):
    """What a recording must be for the rule to hold: all of it. `member` is an e-mail address, `key` an id."""

    way: Annotated[Text, documented(enum=Way.values)] = ""
    key: Text = ""
    member: Text = ""
    folder: Text = ""
    file: Annotated[Text, documented(maxLength=LONGEST_PATTERN, description="A pattern such as `board-*.mp3`.")] = ""
    sender: Annotated[Text, documented(maxLength=LONGEST_PATTERN, description="A pattern, of an e-mail.")] = ""
    least_seconds: Count | None = None
    most_seconds: Count | None = None
    channels: Annotated[Text, documented(enum=Channels.values)] = ""


class AskedDelivery(RequestBody):
    """Formats to write to a folder or bucket, by its id, when the text is there."""

    place: Text
    formats: list[Text]


class AskedEffects(RequestBody):
    """What it gets. `folder` is a name or an id; tags that there are none of are made."""

    options: RequestedOptions | None = None
    tags: list[Text] = []
    folder: Text = ""
    audio_days: Count | None = None
    text_days: Count | None = None
    webhooks: list[Text] = []
    deliveries: list[AskedDelivery] = []

    @property
    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class NewRule(RequestBody):
    """A rule; it comes after all others."""

    name: Name
    active: bool = True
    conditions: AskedConditions = AskedConditions()
    effects: AskedEffects


class RuleChanges(RequestBody):
    """The changes to a rule. `position` counts from 1; conditions and effects are replaced as a whole."""

    name: Name | None = None
    active: bool | None = None
    position: Count | None = None
    conditions: AskedConditions | None = None
    effects: AskedEffects | None = None


class PreviewBody(RequestBody):
    """Conditions to try."""

    conditions: AskedConditions = AskedConditions()


class RuleConditions(TypedDict):
    """Null where nothing is asked. `member` is an e-mail address, or empty for somebody who is gone."""

    way: str | None
    key: str | None
    member: str | None
    folder: str | None
    file: str | None
    sender: str | None
    least_seconds: int | None
    most_seconds: int | None
    channels: str | None


class RuleDelivery(TypedDict):
    """Formats that are written to a folder or bucket."""

    place: str
    formats: list[str]


class RuleEffects(TypedDict):
    """What it gives. `tags` are names, `folder` and `webhooks` ids."""

    options: dict[str, Any]
    tags: list[str]
    folder: str | None
    audio_days: int | None
    text_days: int | None
    webhooks: list[str]
    deliveries: list[RuleDelivery]


class RuleBody(TypedDict):
    """A rule for what arrives."""

    id: str
    name: str
    active: bool
    position: int
    conditions: RuleConditions
    effects: RuleEffects
    created_at: str
    changed_at: str


class RulesBody(TypedDict):
    """In the order in which they apply."""

    results: list[RuleBody]


class MatchedRecording(TypedDict):
    """A recording that conditions would have matched."""

    id: str
    name: str
    created_at: str


class MatchedBody(TypedDict):
    """Those of the last `looked_at` recordings, newest first."""

    results: list[MatchedRecording]
    looked_at: int
