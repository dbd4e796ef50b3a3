"""How many speakers are expected: asked for by a request, or chosen by its tenant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tenants.models import Tenant
from tests.conftest import Character
from tests.transcription.characters import submit
from tests.transcription.options.test_tenant_defaults import prefer
from transcription.diarization.types import MOST_SPEAKERS
from transcription.errors import InvalidOption
from transcription.options import tenant_defaults
from transcription.options.options import TranscriptionOptions
from transcription.options.speakers import speaker_range

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within")]
CONTENT = "0" * 64


@pytest.mark.parametrize(
    ("sent", "stored", "counts"),
    [
        ("off", "off", None),
        (" Auto ", "auto", (1, MOST_SPEAKERS)),
        ("3", "3", (3, 3)),
        (2, "2", (2, 2)),
        ("02 - 4", "2-4", (2, 4)),
        ("2–2", "2", (2, 2)),
    ],
)
def test_a_number_a_range_or_neither_is_asked_for(sent: str | int, stored: str, counts: tuple[int, int] | None) -> None:
    options = TranscriptionOptions.checked(speakers=sent)
    assert options.speakers == stored
    assert speaker_range(stored) == counts


@pytest.mark.parametrize("nonsense", ["0", "4-2", "21", "1-99", "-2", "two", "2-", "１", "2.5", "auto-2", "9" * 5000])
def test_nonsense_is_refused_with_what_is_possible(nonsense: str) -> None:
    with pytest.raises(InvalidOption, match="as in 2-4") as invalid:
        TranscriptionOptions.checked(speakers=nonsense)
    assert invalid.value.param == "speakers"


def test_a_request_goes_before_its_tenants_choice_and_off_is_a_request_too(alice: Character, fox: Path) -> None:
    assert submit(alice.actor, fox).speakers == "off"
    prefer(alice.tenant, speakers="2-4")
    assert submit(alice.actor, fox).speakers == "2-4"
    assert submit(alice.actor, fox, speakers="off").speakers == "off"
    assert submit(alice.actor, fox, speakers="auto").speakers == "auto"


@pytest.mark.parametrize("typed", ["", "many", "4-2"])
def test_what_an_operator_typed_wrongly_counts_as_off(typed: str) -> None:
    tenant = Tenant(name="Acme", speakers=typed)
    applied = tenant_defaults.apply(TranscriptionOptions.checked(), tenant, 3.0)
    assert applied.speakers == "off"
    assert tenant_defaults.apply(applied, tenant, 3.0) == applied


def test_a_text_without_speakers_answers_no_request_for_them() -> None:
    def fingerprint(**sent: Any) -> str:
        return tenant_defaults.apply(TranscriptionOptions.checked(**sent), Tenant(name="Acme"), 3.0).fingerprint(
            CONTENT
        )

    plain = fingerprint()
    assert plain == TranscriptionOptions.checked().fingerprint(CONTENT), "texts of earlier versions are still reused"
    assert fingerprint(speakers="off") == plain
    assert len({plain, fingerprint(speakers="auto"), fingerprint(speakers="2"), fingerprint(speakers="2-4")}) == 4
