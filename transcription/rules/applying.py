"""The rules that hold for an arrival, and what they give it in the transaction that accepts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from tenants.access import Actor
from transcription.errors import Refused
from transcription.exchange import deliveries
from transcription.folders import folders
from transcription.folders.visibility import among
from transcription.models import Folder, Recording, Tag, Tagging, Way
from transcription.models.tag import MOST_ON_ONE
from transcription.options.options import TranscriptionOptions
from transcription.rules import conditions, effects
from transcription.rules.conditions import Arrival
from transcription.rules.models import Rule


@dataclass(frozen=True)
class Mailed:
    """How an e-mail came: from whom, and the id of the folder that its mailbox gives it, which rules may change."""

    sender: str = ""
    folder: str = ""


@dataclass(frozen=True)
class Ruling:
    """The rules of an actor's tenant that hold for an arrival, in their order, as far as it is known."""

    actor: Actor
    arrival: Arrival
    rules: Sequence[Rule] = ()
    mailed: Mailed | None = None

    @property
    def needs_sound(self) -> bool:
        """Whether some rules ask for what only the file itself can tell."""
        return any(conditions.needs_sound(one.conditions) for one in self.rules)

    @cached_property
    def effects(self) -> dict[str, Any]:
        given = {"folder": self.mailed.folder} if self.mailed and self.mailed.folder else {}
        return given | effects.later_wins(one.effects for one in self.rules)

    def heard(self, recording: Recording) -> Ruling:
        """Returns the ruling once the recording's length and channels are known."""
        seconds, channels = recording.duration_seconds, conditions.channels_of(recording)
        arrival = replace(self.arrival, seconds=seconds, channels=channels)
        held = [one for one in self.rules if conditions.hold(one.conditions, arrival)]
        return replace(self, arrival=arrival, rules=held)

    def options(self, asked: TranscriptionOptions) -> TranscriptionOptions:
        given = self.effects.get("options")
        return effects.with_defaults(asked, given) if given else asked

    def describe(self, recording: Recording) -> None:
        """Notes on an unsaved recording what the rules give it; call it in the transaction that inserts it."""
        recording.way, recording.sender = self.arrival.way, self.arrival.sender
        if not self.effects:
            return
        recording.keeps_audio_days = self.effects.get("audio_days")
        recording.keeps_text_days = self.effects.get("text_days")
        recording.ruled = {"rules": [{"id": str(one.id), "name": one.name} for one in self.rules]}
        if self.effects.get("webhooks"):
            recording.ruled["webhooks"] = self.effects["webhooks"]
        if recording.folder is None:
            recording.folder = self.folder()

    def folder(self) -> Folder | None:
        """Returns the folder that the rules give, if it is there now and the arrival's actor may add to it.

        Without it e-mail goes into its mailbox's folder, and into none only where the mailbox has none. Raises Refused.
        """
        own = self.mailed.folder if self.mailed else ""
        found = self._found(self.effects.get("folder", "")) or self._found(own)
        if own and found is None:  # it would be everybody's
            raise Refused("folder_gone", _("The folder of the mailbox is gone. Choose another one for it."))
        return found

    def _found(self, folder_id: str) -> Folder | None:
        if not folder_id:
            return None
        found = Folder.objects.filter(tenant=self.actor.tenant, id=folder_id, is_private=False).first()
        is_nobodys = self.arrival.way in (Way.WATCHED, Way.MAIL)  # who puts files there is none of the tenant's people
        return found if found and (is_nobodys or among(self.actor, found).may(folders.ADD)) else None

    def give(self, recording: Recording) -> None:
        """Gives a recording that was just inserted what stands in rows of its own."""
        known = Tag.objects.filter(tenant=self.actor.tenant, id__in=self.effects.get("tags", []))
        Tagging.objects.bulk_create(
            [Tagging(tenant=self.actor.tenant, tag=tag, recording=recording) for tag in known[:MOST_ON_ONE]],
            ignore_conflicts=True,
        )
        if self.effects.get("deliveries"):
            deliveries.order(recording, self.effects["deliveries"])


def begin(actor: Actor, way: str, folder: Folder | None, name: str, mailed: Mailed | None = None) -> Ruling:
    """Returns the rules that hold by what is known before the file is looked into, by one query."""
    arrival = Arrival(
        way=way,
        key=str(actor.key.id) if actor.key else "",
        member=str(actor.user.pk) if actor.user else "",
        folder=str(folder.id) if folder else "",
        name=name,
        sender=mailed.sender if mailed else "",
    )
    rows = Rule.objects.filter(tenant=actor.tenant, is_active=True)
    return Ruling(actor, arrival, [one for one in rows if conditions.hold(one.conditions, arrival)], mailed)
