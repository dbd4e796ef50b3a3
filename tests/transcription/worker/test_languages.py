"""Which languages may be named, and what becomes of several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.conf import LazySettings

from tenants.models import Tenant
from transcription.engine.exact import Resume
from transcription.engine.types import Mode as EngineMode
from transcription.engine.types import Segment as Heard
from transcription.engine.types import WindowResult
from transcription.errors import InvalidOption
from transcription.models import Transcription
from transcription.options import offered_models, tenant_defaults
from transcription.options.options import TranscriptionOptions
from transcription.worker.resume import ResumePlan
from transcription.worker.window_writer import seconds_by_language

checked = TranscriptionOptions.checked


@pytest.fixture
def old_and_new(settings: LazySettings) -> Iterator[None]:
    """A model of before large-v3, and one that knows Cantonese."""
    settings.WHISPER_MODELS = ["base", "turbo"]
    offered_models.offered_models.cache_clear()
    yield
    offered_models.offered_models.cache_clear()


@pytest.fixture
def english_only(settings: LazySettings) -> Iterator[None]:
    settings.WHISPER_MODELS = ["base.en", "distil-large-v3.5"]
    offered_models.offered_models.cache_clear()
    yield
    offered_models.offered_models.cache_clear()


@pytest.mark.parametrize("given", ["pl, de,en", "Polish\nGerman\nEnglish", "en;pl;de;PL-pl"])
def test_languages_are_codes_or_names_in_any_order(given: str) -> None:
    assert checked(languages=given).languages == "de,en,pl"


def test_a_single_one_is_the_language_and_beside_a_language_there_are_none() -> None:
    assert (checked(languages="fr").language, checked(languages="fr").languages) == ("fr", "")
    assert checked(language="de", languages="fr,en").languages == ""


def test_languages_are_part_of_what_decides_the_text() -> None:
    several = checked(languages="de,en")
    assert several.fingerprint("a") == checked(languages="en,de").fingerprint("a")
    assert several.fingerprint("a") != checked().fingerprint("a")


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(InvalidOption, match="klingon") as refused:
        checked(languages="de,klingon")
    assert refused.value.param == "languages"


@pytest.mark.usefixtures("old_and_new")
def test_what_the_model_does_not_know_is_refused_and_named() -> None:
    assert checked(model="turbo", language="yue").language == "yue"
    with pytest.raises(InvalidOption, match="base") as refused:
        checked(model="base", language="yue")
    assert refused.value.param == "language"
    with pytest.raises(InvalidOption, match="base") as refused:
        checked(model="base", languages="yue,zh")
    assert refused.value.param == "languages"


@pytest.mark.usefixtures("english_only")
def test_an_english_only_model_knows_english_only() -> None:
    for model in ("base.en", "distil-large-v3.5", "distil-whisper/distil-large-v3.5"):
        assert checked(model=model, language="en").language == "en"
        with pytest.raises(InvalidOption) as refused:
            checked(model=model, language="de")
        assert refused.value.param == "language"


def test_the_tenants_languages_stand_in_where_a_request_names_none() -> None:
    acme = Tenant(name="Acme", languages="de,en,yue")
    assert tenant_defaults.apply(checked(), acme, 60.0).languages == "de,en"
    assert tenant_defaults.apply(checked(languages="fr,pl"), acme, 60.0).languages == "fr,pl"
    assert tenant_defaults.apply(checked(language="fr"), acme, 60.0).languages == ""


def test_a_request_asked_again_names_only_its_own_languages() -> None:
    acme = Tenant(name="Acme", languages="de,en")
    assert tenant_defaults.requested_languages(Transcription(model="base", languages="de,en"), acme) == ""
    assert tenant_defaults.requested_languages(Transcription(model="base", languages="fr,pl"), acme) == "fr,pl"


def test_the_time_of_each_language_is_added_up() -> None:
    said = Heard(0.0, 2.5, " a", (), 0.0, 0.0, 0.0, 0.0, 0)
    window = WindowResult(0, 0.0, 30.0, "en", 1.0, (said,))
    row = Transcription()
    for result in (window, replace(window, language="fr"), window, replace(window, segments=(), language="ja")):
        row.heard_languages = seconds_by_language(row, result)
    assert row.heard_languages == {"en": 5.0, "fr": 2.5}


@pytest.mark.parametrize("typed", ["en, de", "German; English", "EN\nde-AT", "de,Elvish,en"])
def test_an_operator_may_type_a_tenant_s_languages_as_people_do(typed: str) -> None:
    tenant = Tenant(name="Acme", languages=typed)
    assert tenant_defaults.apply(checked(), tenant, 60).languages == "de,en"


@pytest.mark.parametrize(("mode", "compared"), [("fast", ["", "en", "en"]), ("exact", ["de", "en", "de"])])
def test_an_attempt_that_goes_on_compares_languages_as_an_undisturbed_one_does(
    mode: EngineMode, compared: list[str]
) -> None:
    """Windows side by side with the first that has a text, one after the other with the one before."""
    spoken = Heard(0.0, 1.0, " Hello.", (), 0.0, -0.2, 1.0, 0.01, 0)
    plan = ResumePlan(mode, Resume())
    windows: list[tuple[str, tuple[Heard, ...]]] = [("de", ()), ("en", (spoken,)), ("de", (spoken,))]
    results = [
        WindowResult(index, float(index), index + 1.0, code, 0.9, segments)
        for index, (code, segments) in enumerate(windows)
    ]
    assert [plan.state_after(result)["language"] for result in results] == compared
