"""An operator's own models, as callers, tenants and the engine's command line know them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import LazySettings
from django.test import Client

from portal.web.forms import OptionsForm
from tenants.models import Tenant
from tests.conftest import Character
from transcription.errors import InvalidOption
from transcription.models import Transcription
from transcription.options import offered_models, tenant_defaults
from transcription.options.options import TranscriptionOptions
from transcription.worker import gpu_worker

checked = TranscriptionOptions.checked


pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clinic(settings: LazySettings) -> Iterator[None]:
    """Base, a model that a clinic trained, and one that knows English only."""
    settings.WHISPER_MODELS = ["base", "whisper-clinic=/srv/clinic", "court.en=acme/whisper-court"]
    offered_models.offered_models.cache_clear()
    yield
    offered_models.offered_models.cache_clear()


def test_they_are_chosen_by_their_names() -> None:
    assert offered_models.offered_models() == ("base", "whisper-clinic", "court.en")
    assert checked(model="whisper-clinic", language="yue").model == "whisper-clinic"
    with pytest.raises(InvalidOption) as refused:
        checked(model="clinic")
    assert refused.value.code == "model_not_found"
    with pytest.raises(InvalidOption, match=r"court\.en"):
        checked(model="court.en", language="de")


def test_the_form_and_a_tenants_short_clips_have_them() -> None:
    assert ("whisper-clinic", "whisper-clinic") in OptionsForm().fields["model"].choices  # type: ignore[attr-defined]
    acme = Tenant(name="Acme", short_clip_model="whisper-clinic")
    assert tenant_defaults.apply(checked(), acme, 5.0).model == "whisper-clinic"
    assert tenant_defaults.apply(checked(), acme, 50.0).model == "base"


def test_texts_of_one_are_not_reused_for_another() -> None:
    assert checked(model="whisper-clinic").fingerprint("a") != checked().fingerprint("a")
    assert TranscriptionOptions.from_row(Transcription(model="whisper-clinic")).model == "whisper-clinic"


@pytest.mark.django_db(transaction=True)
def test_openais_list_says_whose_they_are(client: Client, alice: Character) -> None:
    listed = client.get("/v1/models", headers=alice.bearer).json()["data"]
    owners = {model["id"]: model["owned_by"] for model in listed}
    assert (owners["base"], owners["whisper-clinic"]) == ("openai", "operator")


def test_the_engine_is_told_where_they_come_from() -> None:
    command = gpu_worker.engine_command()
    assert command[command.index("--models") + 1] == "base,whisper-clinic=/srv/clinic,court.en=acme/whisper-court"
