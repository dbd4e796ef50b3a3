"""What arrives gets what the tenant's rules say, in the transaction that accepts it, whatever way it comes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.utils import timezone

from tenants import scope
from tenants.access import EDIT, Actor
from tenants.models import ApiKey, AuditEntry, Role
from tests.conftest import Character, create_member
from tests.transcription.characters import arrive, submit
from tests.transcription.finishing import finish, serve
from transcription.errors import InvalidOption
from transcription.fetches import access, fetcher
from transcription.folders import folders
from transcription.intake import accept
from transcription.intake.request import CallContext
from transcription.library import retention, tags
from transcription.models import FolderMember, FolderRole, Recording, Transcription, Way
from transcription.options import tenant_defaults
from transcription.options.options import TranscriptionOptions
from transcription.rules import editing
from transcription.rules.models import Rule
from transcription.transcripts import terms
from transcription.webhooks import endpoints
from transcription.webhooks.models import Delivery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


def key_of(character: Character) -> ApiKey:
    return ApiKey.objects.get(tenant=character.tenant, created_by=character.user)


def rule(alice: Character, asked: dict[str, Any] | None = None, **given: Any) -> Rule:
    return editing.create(alice.actor, f"Rule {Rule.objects.count() + 1}", asked or {}, given)


def by_program(alice: Character, path: Path, name: str = "", **options: Any) -> Transcription:
    actor = Actor(alice.tenant, EDIT, key=key_of(alice))
    return accept.accept(actor, arrive(path, name), TranscriptionOptions.checked(**options), "api", CallContext())


def test_options_of_rules_are_defaults_and_the_later_rule_wins(alice: Character, fox: Path) -> None:
    rule(alice, options={"language": "de", "speakers": "2", "beam_size": 5})
    rule(alice, {"file": "*FOX*"}, options={"languages": ["en", "fr"]}, tags=["Foxes"], text_days=30)
    rule(alice, {"file": "*.docx"}, options={"speakers": "off"}, tags=["Never"])
    row = submit(alice.actor, fox)
    assert (row.language, row.languages, row.speakers, row.beam_size) == ("", "en,fr", "2", 5)
    assert [tag.name for tag in row.recording.tags] == ["Foxes"]
    assert [one["name"] for one in row.recording.ruled["rules"]] == ["Rule 1", "Rule 2"]
    assert (row.recording.way, row.recording.keeps_text_days) == (Way.PORTAL, 30)

    asked = submit(alice.actor, fox, language="pl", beam_size=2)
    assert (asked.language, asked.languages, asked.speakers, asked.beam_size) == ("pl", "", "2", 2)


def test_a_rule_refuses_nothing(alice: Character, fox: Path, settings: Any) -> None:
    """A model that is not offered any more, a folder and a webhook that are gone: the rest of the rule holds."""
    calls = folders.create(alice.actor, "Calls")
    made = rule(alice, options={"language": "de"}, folder="Calls")
    Rule.objects.filter(id=made.id).update(effects=made.effects | {"options": {"model": "gone", "language": "de"}})
    folders.delete(alice.actor, calls.id)
    row = submit(alice.actor, fox)
    assert (row.language, row.recording.folder) == ("de", None)


def test_conditions_of_the_sound_are_known_when_the_file_is_looked_into(alice: Character, fox: Path) -> None:
    rule(alice, {"most_seconds": 60, "channels": "mono"}, options={"language": "de"}, tags=["Short"])
    rule(alice, {"least_seconds": 60}, options={"language": "fr"}, tags=["Long"])
    row = submit(alice.actor, fox)
    assert (row.language, [tag.name for tag in row.recording.tags]) == ("de", ["Short"])
    serve()
    finish(row)
    again = submit(alice.actor, fox)
    assert again.is_reused, "the same content under the same options, which the rule gave"
    assert [tag.name for tag in again.recording.tags] == ["Short"]


def test_ways_keys_members_and_folders_tell_rules_apart(alice: Character, bob: Character, fox: Path) -> None:
    key = key_of(alice)
    editor = create_member(alice.tenant, "eve@acme.example", Role.EDITOR)
    rule(alice, {"way": "api"}, tags=["Programs"])
    rule(alice, {"key": str(key.id)}, tags=["Robot"])
    rule(alice, {"member": "eve@acme.example"}, tags=["Eve"])
    rule(alice, {"way": "url"}, tags=["Fetched"])

    def tags_of(row: Transcription) -> list[str]:
        return [tag.name for tag in row.recording.tags]

    assert tags_of(by_program(alice, fox)) == ["Programs", "Robot"]
    assert tags_of(submit(editor.actor, fox)) == ["Eve"]
    assert tags_of(submit(alice.actor, fox)) == []


def test_what_is_fetched_by_its_url_came_by_url(alice: Character, fox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transcription.outbound.download import Downloaded

    def downloaded(url: str, path: Path, *limits: object) -> Downloaded:
        path.write_bytes(fox.read_bytes())
        return Downloaded("fox.wav", path, fox.stat().st_size, "0" * 64)

    monkeypatch.setattr(fetcher, "download", downloaded)
    rule(alice, {"way": "url"}, options={"language": "de"})
    access.create(alice.actor, "https://acme.example/fox.wav", "", TranscriptionOptions.checked(), CallContext())
    assert fetcher.fetch_due() == 1
    row = Transcription.objects.get()
    assert (row.recording.way, row.language) == (Way.URL, "de")


def test_a_folder_is_given_only_where_the_sender_may_add_and_none_is_named(alice: Character, fox: Path) -> None:
    secret = folders.create(alice.actor, "Secret", restricted=True)
    calls = folders.create(alice.actor, "Calls")
    rule(alice, folder="Secret")
    editor = create_member(alice.tenant, "eve@acme.example", Role.EDITOR)
    assert by_program(alice, fox).recording.folder == secret
    assert submit(editor.actor, fox).recording.folder is None, "she would not see it any more, nor may she know of it"
    FolderMember.objects.create(tenant=alice.tenant, folder=secret, member=editor.member, role=FolderRole.EDITOR)
    assert submit(editor.actor, fox).recording.folder == secret
    named = accept.accept(alice.actor, arrive(fox), TranscriptionOptions.checked(), "upload", folder=calls)
    assert named.recording.folder == calls


@pytest.mark.parametrize("is_known", [False, True])
def test_a_folder_that_is_closed_before_the_commit_gives_no_hotwords(
    alice: Character, fox: Path, monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    calls = folders.create(alice.actor, "Calls")
    terms.create(alice.actor, "Fuchs", folder=calls)
    monkeypatch.setattr(tenant_defaults, "SHORT_CLIP_SECONDS", 0.0)  # the fox is one, and short ones get no hotwords
    alice.tenant.hears_terms = True
    alice.tenant.save()
    rule(alice, folder="Calls")
    eve = create_member(alice.tenant, "eve@acme.example", Role.EDITOR)
    serve()
    if is_known:
        assert finish(submit(alice.actor, fox)).recording.folder == calls
    store = accept._store

    def close_meanwhile(*stored: Any) -> None:
        store(*stored)
        folders.change(alice.actor, calls.id, restricted=True)

    monkeypatch.setattr(accept, "_store", close_meanwhile)
    row = submit(eve.actor, fox)
    assert (row.recording.folder, row.folder_hotwords) == (None, "")
    assert (row.status, row.hotwords) == ("queued", ""), "also where a text is known that was heard with hotwords"


def test_private_folders_and_what_is_of_others_are_in_no_rule(alice: Character, mallory: Character) -> None:
    own = folders.private(alice.actor)
    with scope.bound(mallory.tenant.id):
        theirs = folders.create(mallory.actor, "Mallory’s")
        foreign = key_of(mallory)
        hook = endpoints.create(mallory.actor, "https://8.8.8.8/hook", only_by_rules=True).endpoint
    for given in ({"folder": str(own.id)}, {"folder": str(theirs.id)}, {"webhooks": [str(hook.id)]}):
        with pytest.raises(InvalidOption):
            rule(alice, **given)
    for asked in ({"key": str(foreign.id)}, {"member": "mallory@evil.example"}, {"folder": str(theirs.id)}):
        with pytest.raises(InvalidOption):
            rule(alice, asked, text_days=1)
    assert not Rule.objects.exists()
    assert not tags.visible(alice.actor).exists()


def test_rules_are_the_affair_of_owners_and_admins_of_their_tenant(
    alice: Character, bob: Character, mallory: Character, fox: Path
) -> None:
    made = rule(alice, tags=["Acme"])
    with pytest.raises(PermissionDenied):
        editing.visible(bob.actor)
    with scope.bound(mallory.tenant.id):
        for touch in (editing.get, editing.delete, editing.change):
            with pytest.raises(Http404):
                touch(mallory.actor, made.id)
        assert submit(mallory.actor, fox).recording.ruled == {}


def test_order_switching_and_deleting_are_audited(alice: Character, fox: Path) -> None:
    first, second = rule(alice, options={"language": "de"}), rule(alice, options={"language": "fr"})
    editing.change(alice.actor, second.id, position=1)
    assert [one.id for one in editing.visible(alice.actor)] == [second.id, first.id]
    assert submit(alice.actor, fox).language == "de"
    editing.change(alice.actor, first.id, active=False)
    assert submit(alice.actor, fox).language == "fr"
    editing.delete(alice.actor, second.id)
    assert submit(alice.actor, fox).language == ""
    found = AuditEntry.objects.filter(action__startswith="rule.").order_by("id").values_list("action", flat=True)
    assert list(found) == ["rule.created", "rule.created", "rule.changed", "rule.changed", "rule.deleted"]


def test_the_preview_says_which_recordings_would_have_matched(alice: Character, fox: Path) -> None:
    robot = by_program(alice, fox, "board-1.wav")
    submit(alice.actor, fox)
    assert editing.preview(alice.actor, {"way": "api", "file": "board-?.wav", "most_seconds": 10}) == [robot.recording]
    assert editing.preview(alice.actor, {"channels": "more"}) == []
    assert not Rule.objects.exists()


def test_the_same_request_is_the_same_whatever_rules_there_are_by_then(alice: Character, fox: Path) -> None:
    call = CallContext(endpoint="/api/v1/recordings", key="once")
    first = accept.accept(alice.actor, arrive(fox), TranscriptionOptions.checked(), "api", call)
    rule(alice, options={"language": "de"})
    again = CallContext(endpoint="/api/v1/recordings", key="once")
    assert accept.accept(alice.actor, arrive(fox), TranscriptionOptions.checked(), "api", again) == first


def test_a_webhook_of_rules_is_told_of_their_recordings_alone(alice: Character, fox: Path) -> None:
    hook = endpoints.create(alice.actor, "https://8.8.8.8/hook", only_by_rules=True).endpoint
    rule(alice, {"file": "told.*"}, webhooks=[str(hook.id)])
    serve()
    finish(submit(alice.actor, fox))
    assert not Delivery.objects.exists()
    told = finish(by_program(alice, fox, "told.wav", language="de"))
    assert [one.event.subject for one in Delivery.objects.all()] == [str(told.id)]


def test_days_of_a_rule_stand_for_the_tenants(alice: Character, fox: Path) -> None:
    """Fewer or more than the tenant's, and also where the tenant keeps everything."""
    rule(alice, {"file": "short.*"}, audio_days=2, text_days=2)
    rule(alice, {"file": "long.*"}, audio_days=100, text_days=100)
    serve()
    rows = {name: finish(by_program(alice, fox, f"{name}.wav", language=code)) for name, code in LANGUAGES.items()}
    Recording.objects.update(created_at=timezone.now() - timedelta(days=10))
    Transcription.objects.update(finished_at=timezone.now() - timedelta(days=10))
    assert (retention.delete_old_audio(), retention.delete_old_text(), retention.remove_empty()) == (1, 1, 1)
    assert not Recording.objects.filter(id=rows["short"].recording_id).exists()
    alice.tenant.audio_retention_days = 5
    alice.tenant.save()
    assert retention.delete_old_audio() == 1
    left = Recording.objects.filter(audio_deleted_at=None)
    assert [row.id for row in left] == [rows["long"].recording_id]


LANGUAGES = {"short": "de", "usual": "fr", "long": "en"}
