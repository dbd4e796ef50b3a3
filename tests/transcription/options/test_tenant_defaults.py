"""What a tenant's own settings make of the options of a request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import LazySettings

from tenants import scope
from tenants.models import Tenant
from tests.conftest import Character, MakeMedia
from tests.portal.ops.conftest import condition
from tests.transcription.characters import arrive, submit
from tests.transcription.finishing import finish, serve
from transcription.errors import Refused
from transcription.folders import folders
from transcription.intake import accept
from transcription.intake.request import CallContext
from transcription.library import moving, recordings
from transcription.models import Engine, Status
from transcription.options import engines, hotwords, offered_models, tenant_defaults
from transcription.options.options import TranscriptionOptions
from transcription.queue import claims, lifecycle
from transcription.transcripts import term_list, terms

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]


@pytest.fixture
def two_models(settings: LazySettings) -> Iterator[None]:
    """A large one by default, and a small one."""
    settings.WHISPER_MODELS = ["base", "tiny"]
    offered_models.offered_models.cache_clear()
    yield
    offered_models.offered_models.cache_clear()


@pytest.fixture
def half_a_minute(make_media: MakeMedia) -> Path:
    return make_media.tone("half a minute.wav", 30)


def prefer(tenant: Tenant, **fields: str) -> None:
    Tenant.objects.filter(id=tenant.id).update(**fields)


@pytest.mark.usefixtures("two_models")
class TestShortClips:
    @pytest.mark.parametrize("name", ["", "whisper-1", "gpt-4o-transcribe"])
    def test_who_asks_for_the_default_gets_the_one_for_short_clips(
        self, name: str, alice: Character, fox: Path
    ) -> None:
        prefer(alice.tenant, short_clip_model="tiny")
        assert submit(alice.actor, fox, model=name).model == "tiny"

    def test_thirty_seconds_are_not_short(self, alice: Character, half_a_minute: Path) -> None:
        prefer(alice.tenant, short_clip_model="tiny")
        assert submit(alice.actor, half_a_minute).model == "base"

    def test_a_model_asked_for_by_its_name_is_respected(self, alice: Character, fox: Path) -> None:
        prefer(alice.tenant, short_clip_model="tiny")
        assert submit(alice.actor, fox, model="base").model == "base"

    def test_one_that_is_no_longer_offered_is_passed_over(self, alice: Character, fox: Path) -> None:
        prefer(alice.tenant, short_clip_model="medium")
        assert submit(alice.actor, fox).model == "base"

    def test_another_tenant_is_not_concerned(self, alice: Character, mallory: Character, fox: Path) -> None:
        prefer(alice.tenant, short_clip_model="tiny", hotwords="Project Renard", default_mode="exact")
        with scope.bound(mallory.tenant.id):
            row = submit(mallory.actor, fox)
        assert (row.model, row.hotwords, row.mode) == ("base", "", "auto")

    def test_a_kept_recording_is_transcribed_again_the_same_way(self, alice: Character, fox: Path) -> None:
        first = submit(alice.actor, fox)
        prefer(alice.tenant, short_clip_model="tiny")
        assert accept.transcribe_again(alice.actor, first.recording, TranscriptionOptions.checked()).model == "tiny"

    def test_its_result_is_known_by_the_model_it_came_from(self, alice: Character, fox: Path) -> None:
        prefer(alice.tenant, short_clip_model="tiny")
        serve_both()
        first = finish(submit(alice.actor, fox), "tiny 1")
        assert submit(alice.actor, fox).reused_from == first
        assert submit(alice.actor, fox, model="tiny").status == Status.COMPLETED, "asked for by its name, the same"
        assert submit(alice.actor, fox, model="base").status == Status.QUEUED

    def test_a_long_recording_is_not_answered_by_the_small_model(self, alice: Character, half_a_minute: Path) -> None:
        prefer(alice.tenant, short_clip_model="tiny")
        serve_both()
        finish_long(alice, half_a_minute)
        row = submit(alice.actor, half_a_minute)
        assert (row.status, row.model) == (Status.QUEUED, "base")

    def test_a_retry_joins_what_went_to_the_small_model(self, alice: Character, fox: Path) -> None:
        prefer(alice.tenant, short_clip_model="tiny")
        options, call = TranscriptionOptions.checked(), CallContext("/v1/audio/transcriptions", waits=True)
        row = accept.accept(alice.actor, arrive(fox), options, "api", call)
        retry = CallContext("/v1/audio/transcriptions", waits=True)
        assert accept.accept(alice.actor, arrive(fox), options, "api", retry) == row


@pytest.mark.usefixtures("two_models")
class TestDefaultModel:
    def test_who_asks_for_the_default_gets_the_tenants(self, alice: Character, half_a_minute: Path, fox: Path) -> None:
        prefer(alice.tenant, default_model="tiny")
        assert submit(alice.actor, half_a_minute).model == "tiny"
        assert submit(alice.actor, half_a_minute, model="whisper-1").model == "tiny"
        assert submit(alice.actor, half_a_minute, model="base").model == "base", "asked for by its name"
        assert submit(alice.actor, fox).model == "tiny", "short clips, too, where they have no other"

    def test_short_clips_may_have_another_one(self, alice: Character, half_a_minute: Path, fox: Path) -> None:
        prefer(alice.tenant, default_model="tiny", short_clip_model="base")
        assert (submit(alice.actor, fox).model, submit(alice.actor, half_a_minute).model) == ("base", "tiny")

    def test_one_that_is_not_offered_or_not_served_is_passed_over(
        self, alice: Character, half_a_minute: Path, fox: Path
    ) -> None:
        prefer(alice.tenant, default_model="medium")
        assert submit(alice.actor, half_a_minute).model == "base"
        prefer(alice.tenant, default_model="tiny")
        engines.report("here:0", replace(condition(), versions={"base": "base 1"}), workers_alive=1, workers_wanted=1)
        assert submit(alice.actor, fox).model == "base"

    def test_a_retry_goes_to_the_default_of_today(self, alice: Character, fox: Path) -> None:
        prefer(alice.tenant, default_model="tiny")
        row = submit(alice.actor, fox)
        assert tenant_defaults.requested(row, Tenant.objects.get(id=alice.tenant.id)).named_model is False
        assert submit(alice.actor, fox, model="base").model == "base"


def serve_both() -> None:
    versions = {"base": "base 1", "tiny": "tiny 1"}
    engines.report("here:0", replace(condition(), versions=versions), workers_alive=1, workers_wanted=1)


def finish_long(alice: Character, path: Path) -> None:
    """Half a minute by the small model, which was asked for by its name."""
    row = submit(alice.actor, path, model="tiny")
    claim = claims.claim("host/1")
    assert claim is not None
    lifecycle.save_window(claim, [], 30.0, "en", "tiny 1")
    lifecycle.complete(claim, "", 30.0, [])
    assert submit(alice.actor, path, model="tiny").reused_from == row


def test_automatic_means_what_the_tenant_has_chosen(alice: Character, fox: Path) -> None:
    assert submit(alice.actor, fox).mode == "auto"
    prefer(alice.tenant, default_mode="exact")
    assert submit(alice.actor, fox).mode == "exact"
    assert submit(alice.actor, fox, mode="fast").mode == "fast"


def test_the_tenants_names_stand_before_those_of_the_request(alice: Character, fox: Path) -> None:
    prefer(alice.tenant, hotwords="Acme\nDr. Fox")
    assert submit(alice.actor, fox).hotwords == "Acme, Dr. Fox"
    assert submit(alice.actor, fox, hotwords="Renard; Acme").hotwords == "Acme, Dr. Fox, Renard"


def test_applying_twice_changes_nothing(alice: Character) -> None:
    """So that asking again under the options of an earlier transcription is asking for the same."""
    tenant = Tenant(name="Acme", hotwords="Acme", default_mode="fast", default_model="base", short_clip_model="base")
    once = tenant_defaults.apply(TranscriptionOptions.checked(hotwords="Fox"), tenant, 3.0)
    assert tenant_defaults.apply(once, tenant, 3.0) == once
    assert hotwords.joined(once.hotwords, once.hotwords) == once.hotwords


def test_what_the_tenant_changes_is_worked_out_anew(alice: Character, fox: Path) -> None:
    serve()
    finish(submit(alice.actor, fox))
    prefer(alice.tenant, hotwords="Renard")
    assert submit(alice.actor, fox).status == Status.QUEUED


def test_a_key_names_what_was_asked_for_whatever_the_tenant_changes(alice: Character, fox: Path) -> None:
    options = TranscriptionOptions.checked()
    row = accept.accept(alice.actor, arrive(fox), options, "api", CallContext("/v1", "one"))
    prefer(alice.tenant, hotwords="Renard", default_mode="fast")
    assert accept.accept(alice.actor, arrive(fox), options, "api", CallContext("/v1", "one")) == row
    for other in ({"mode": "fast"}, {"hotwords": "Renard"}, {"beam_size": 2}, {"word_timestamps": True}):
        asked = TranscriptionOptions.checked(**other)
        with pytest.raises(Refused) as refused:
            accept.accept(alice.actor, arrive(fox), asked, "api", CallContext("/v1", "one"))
        assert refused.value.code == "idempotency_key_reused"


@pytest.mark.usefixtures("two_models")
def test_what_a_tenant_adds_is_not_asked_for_again(alice: Character, fox: Path) -> None:
    prefer(alice.tenant, hotwords="Fjord, Birch", short_clip_model="tiny")
    row = submit(alice.actor, fox, hotwords="Delta")
    assert (row.model, row.hotwords) == ("tiny", "Fjord, Birch, Delta")
    asked = tenant_defaults.requested(row, alice.actor.tenant)
    assert asked == TranscriptionOptions.checked(hotwords="Delta")


@pytest.mark.usefixtures("two_models")
def test_a_short_clip_model_that_no_engine_has_is_not_used(alice: Character) -> None:
    asked = TranscriptionOptions.checked(model="whisper-1", task="transcribe")
    alice.tenant.short_clip_model = "tiny"
    assert tenant_defaults.apply(asked, alice.tenant, 5.0).model == "tiny"
    engine = Engine.objects.create(name="here", host="here", ready=True, model_versions={"base": "base 1"})
    assert tenant_defaults.apply(asked, alice.tenant, 5.0).model == "base"
    Engine.objects.filter(pk=engine.pk).update(model_versions={"base": "base 1", "tiny": "tiny 1"})
    assert tenant_defaults.apply(asked, alice.tenant, 5.0).model == "tiny"


def test_terms_are_heard_in_long_recordings_where_the_organisation_wants_it(
    alice: Character, fox: Path, half_a_minute: Path
) -> None:
    terms.create(alice.actor, "Vulpes")
    terms.create(alice.actor, "Renard", ["Renar"])
    terms.create(alice.actor, "Off", is_active=False)
    assert submit(alice.actor, half_a_minute).hotwords == ""
    Tenant.objects.filter(id=alice.tenant.id).update(hears_terms=True, hotwords="Acme")
    row = submit(alice.actor, half_a_minute, hotwords="Fox")
    assert row.hotwords == "Acme, Fox, Renard, Vulpes"
    assert tenant_defaults.requested_hotwords(row, alice.actor.tenant) == "Fox"
    assert submit(alice.actor, fox).hotwords == "Acme"
    terms.delete(alice.actor, terms.visible(alice.actor).get(text="Renard").id)
    assert submit(alice.actor, half_a_minute).hotwords == "Acme, Vulpes"


def test_a_folder_s_terms_are_heard_first_and_leave_it_with_no_recording(alice: Character, half_a_minute: Path) -> None:
    Tenant.objects.filter(id=alice.tenant.id).update(hears_terms=True, hotwords="Acme")
    board, other = (folders.create(alice.actor, name, restricted=True) for name in ("Board", "Other"))
    for text, place in (("Vulpes", None), ("Project Renard", board), ("Reineke", other)):
        terms.create(alice.actor, text, folder=place)
    row = submit(alice.actor, half_a_minute, folder=folders.get(alice.actor, board.id), hotwords="Fox")
    assert row.hotwords == "Acme, Fox, Project Renard, Vulpes"
    assert tenant_defaults.requested_hotwords(row, alice.actor.tenant) == "Fox"
    assert submit(alice.actor, half_a_minute).hotwords == "Acme, Vulpes"
    moving.move(alice.actor, row.recording_id, other)
    row.refresh_from_db()
    assert row.hotwords == "Acme, Fox, Vulpes"
    again = accept.transcribe_again(
        alice.actor, recordings.recording(alice.actor, row.recording_id), TranscriptionOptions.checked()
    )
    assert again.hotwords == "Acme, Reineke, Vulpes"
    terms.create(alice.actor, "R" * 60, ["rr"], folder=other)
    for number in range(20):
        terms.create(alice.actor, f"{number} " + "R" * 50, folder=other)
    full = submit(alice.actor, half_a_minute, folder=folders.get(alice.actor, other.id)).hotwords
    assert full.startswith(f"Acme, {'R' * 60}, 19 RRR")
    assert len(full) <= len("Acme, ") + hotwords.ROOM


def test_a_long_list_of_terms_leaves_room_and_is_read_once(alice: Character) -> None:
    rows = "\n".join(f"Term number {number}" for number in range(500))
    term_list.import_terms(alice.actor, f"text,note,active,spellings\n{rows}\nKubernetes,,yes,cubernetis")
    kept = Tenant.objects.get(id=alice.tenant.id).term_hotwords
    assert kept.startswith("Kubernetes, Term number ")
    assert 500 < len(kept) <= 600
