"""The player that other sites show: theirs only, with captions, and never for a link that asks first."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import Character
from tests.portal.shared.conftest import Share
from transcription.errors import InvalidOption

pytestmark = pytest.mark.django_db
ACME, OTHER = "https://acme.example", "http://127.0.0.1:8080"


def test_only_the_sites_that_the_link_names_may_frame_it(guest: Client, share: Share) -> None:
    path = share(origins=[ACME, f"{OTHER}/"])
    answer = guest.get(f"{path}embed")
    assert answer.status_code == 200
    assert f"frame-ancestors {ACME} {OTHER};" in answer["Content-Security-Policy"] + ";"
    assert "X-Frame-Options" not in answer
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert not answer.cookies
    assert guest.get(path)["X-Frame-Options"] == "DENY"
    assert guest.get(f"{share()}embed").status_code == 404


def test_its_captions_are_of_the_excerpt_and_fit_below_a_player(guest: Client, share: Share) -> None:
    told = guest.get(f"{share(origins=[ACME], start=4.0, end=8.0)}captions.vtt")
    assert told["Content-Type"] == "text/vtt; charset=utf-8"
    lines = told.content.decode().splitlines()
    assert lines[0] == "WEBVTT"
    assert "00:00:00.000 --> 00:00:04.000" in lines
    assert "Ms. Rain" in told.content.decode()
    assert "Echo foxtrot golf hotel." in told.content.decode()
    assert "Alfa" not in told.content.decode()


@pytest.mark.parametrize(
    "wanted",
    [
        {"origins": [ACME], "password": "winter morning"},
        {"origins": [ACME], "most_openings": 3},
        {"origins": ["acme.example"]},
        {"origins": ["https://acme.example/page"]},
        {"origins": ["https://acme.example; script-src *"]},
        {"origins": ["https://*"]},
        {"origins": [f"https://{n}.example" for n in range(21)]},
    ],
)
def test_what_can_not_be_embedded_is_refused(share: Share, alice: Character, wanted: dict[str, object]) -> None:
    with pytest.raises(InvalidOption) as refused:
        share(**wanted)
    assert refused.value.param == "origins"
